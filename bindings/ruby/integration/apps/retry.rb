# frozen_string_literal: true

# What "Retry now" does on Sidekiq's page, for all: `ruby retry.rb 5` waits for
# as many to be there.
require "sidekiq"
require "sidekiq/api"
require_relative "../support/wait"

Wait.until("#{ARGV[0]} failed jobs") { Sidekiq::RetrySet.new.size == Integer(ARGV[0]) }
Sidekiq::RetrySet.new.retry_all
