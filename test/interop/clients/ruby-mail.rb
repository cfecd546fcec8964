# The mail gem with its defaults: STARTTLS wherever it is offered.
require "mail"

Mail.defaults { delivery_method :smtp, address: ENV.fetch("SMTP_HOST"), port: ENV.fetch("SMTP_PORT").to_i }
Mail.deliver do
  from "shop@example.org"
  to "ann@example.org"
  subject ENV.fetch("SUBJECT")
  body "Your code is 123456"
end
