# Email::Sender with its defaults.
use strict;
use warnings;
use Email::Sender::Simple qw(sendmail);
use Email::Sender::Transport::SMTP;
use Email::Simple;

my $transport = Email::Sender::Transport::SMTP->new({ host => $ENV{SMTP_HOST}, port => $ENV{SMTP_PORT} });
my $email = Email::Simple->create(
    header => [From => 'shop@example.org', To => 'ann@example.org', Subject => $ENV{SUBJECT}],
    body => "Your code is 123456\n",
);
sendmail($email, { transport => $transport });
