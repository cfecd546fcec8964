# ActionMailer with its defaults, as a Rails application has it.
require "action_mailer"

ActionMailer::Base.smtp_settings = { address: ENV.fetch("SMTP_HOST"), port: ENV.fetch("SMTP_PORT").to_i }

class CodeMailer < ActionMailer::Base
  def code
    mail(from: "shop@example.org", to: "ann@example.org", subject: ENV.fetch("SUBJECT")) do |format|
      format.text { render plain: "Your code is 123456" }
    end
  end
end

CodeMailer.code.deliver_now
