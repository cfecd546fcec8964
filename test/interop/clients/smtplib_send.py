"""Python's smtplib with its defaults."""
import os
import smtplib
from email.message import EmailMessage

message = EmailMessage()
message["From"] = "shop@example.org"
message["To"] = "ann@example.org"
message["Subject"] = os.environ["SUBJECT"]
message.set_content("Your code is 123456")
with smtplib.SMTP(os.environ["SMTP_HOST"], int(os.environ["SMTP_PORT"])) as server:
    server.login("user", "secret")
    server.send_message(message)
