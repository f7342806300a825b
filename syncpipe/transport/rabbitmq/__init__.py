"""RabbitMQ: quorum queues, confirmed publishing, and what AMQP does not tell."""
