// Go's net/smtp: SendMail has no switch for STARTTLS, it uses it wherever it is offered.
package main

import (
	"log"
	"net/smtp"
	"os"
)

func main() {
	host := os.Getenv("SMTP_HOST")
	message := "From: shop@example.org\r\nTo: ann@example.org\r\nSubject: " + os.Getenv("SUBJECT") + "\r\n\r\nYour code is 123456\r\n"
	auth := smtp.PlainAuth("", "user", "secret", host)
	err := smtp.SendMail(host+":"+os.Getenv("SMTP_PORT"), auth, "shop@example.org", []string{"ann@example.org"}, []byte(message))
	if err != nil {
		log.Fatal(err)
	}
}
