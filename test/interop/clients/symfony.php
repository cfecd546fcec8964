<?php
// Symfony Mailer with a plain DSN: STARTTLS wherever it is offered.
require "/usr/share/php/Symfony/Component/Mailer/autoload.php";

use Symfony\Component\Mailer\Mailer;
use Symfony\Component\Mailer\Transport;
use Symfony\Component\Mime\Email;

$transport = Transport::fromDsn(sprintf("smtp://user:secret@%s:%s", getenv("SMTP_HOST"), getenv("SMTP_PORT")));
$email = (new Email())
    ->from("shop@example.org")
    ->to("ann@example.org")
    ->subject(getenv("SUBJECT"))
    ->text("Your code is 123456");
(new Mailer($transport))->send($email);
