#!/bin/sh
# Kafka's own script of this name, as far as librdkafka's tests call it. KAFKA_TOOLS is a folder of jars.
exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$KAFKA_TOOLS/*" org.apache.kafka.tools.TopicCommand "$@"
