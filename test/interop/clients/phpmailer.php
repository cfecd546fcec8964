<?php
// PHPMailer with its defaults: STARTTLS wherever it is offered.
require "/usr/share/php/libphp-phpmailer/autoload.php";

$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = getenv("SMTP_HOST");
$mail->Port = (int) getenv("SMTP_PORT");
$mail->setFrom("shop@example.org");
$mail->addAddress("ann@example.org");
$mail->Subject = getenv("SUBJECT");
$mail->Body = "Your code is 123456";
$mail->send();
