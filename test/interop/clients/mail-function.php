<?php
// PHP's own mail(), which hands the message to the program that sendmail_path names.
exit(mail("ann@example.org", getenv("SUBJECT"), "Your code is 123456", "From: shop@example.org") ? 0 : 1);
