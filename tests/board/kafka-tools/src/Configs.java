import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.common.config.ConfigResource;

/** kafka-configs and kafka-client-metrics. */
final class Configs {
    private static final String CONFIGS = "kafka.admin.ConfigCommand";

    private Configs() {
    }

    /** The change is in the broker's answers. */
    private static void awaitSays(Toolbox tools, String text, String... arguments) throws Exception {
        Toolbox.await(text, () -> tools.tool(CONFIGS, arguments).out.contains(text));
    }

    @Cases.Case static void topic(Toolbox tools) throws Exception {
        String topic = tools.topic("config", 1, 0);
        String[] what = {"--entity-type", "topics", "--entity-name", topic};
        tools.tool(CONFIGS, with(what, "--alter", "--add-config", "retention.ms=1234567,cleanup.policy=[delete,compact]")).ok()
            .only("Completed updating config for topic " + topic + ".");
        awaitSays(tools, "  retention.ms=1234567 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1234567", with(what, "--describe"));
        tools.tool(CONFIGS, with(what, "--describe")).ok().says("Dynamic configs for topic " + topic + " are:")
            .says("  cleanup.policy=delete,compact sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=delete,compact, DEFAULT_CONFIG:log.cleanup.policy=delete}");
        Toolbox.Done all = tools.tool(CONFIGS, with(what, "--describe", "--all")).ok().says("All configs for topic " + topic + " are:");
        all.line("  segment.bytes=1073741824 sensitive=false synonyms=\\{DEFAULT_CONFIG:log.segment.bytes=1073741824}");
        tools.tool(CONFIGS, with(what, "--alter", "--delete-config", "retention.ms,cleanup.policy")).ok();
        Toolbox.await("no dynamic config", () -> tools.tool(CONFIGS, with(what, "--describe")).lines().size() == 1);
    }

    @Cases.Case static void topicWrongly(Toolbox tools) throws Exception {
        String topic = tools.topic("config-wrong", 1, 0);
        String[] what = {"--entity-type", "topics", "--entity-name", topic, "--alter"};
        tools.tool(CONFIGS, with(what, "--add-config", "retention.ms=soon")).exits(1).says("InvalidConfigurationException");
        tools.tool(CONFIGS, with(what, "--add-config", "no.such.config=1")).exits(1).says("Unknown topic config name: no.such.config");
        tools.tool(CONFIGS, with(what, "--delete-config", "segment.ms")).ok();
        tools.tool(CONFIGS, "--entity-type", "topics", "--entity-name", tools.name("none"), "--alter", "--add-config", "segment.ms=1000").exits(1)
            .says("UnknownTopicOrPartitionException");
    }

    @Cases.Case static void broker(Toolbox tools) throws Exception {
        String node = "" + tools.nodeId();
        String[] one = {"--entity-type", "brokers", "--entity-name", node};
        String[] all = {"--entity-type", "brokers", "--entity-default"};
        tools.tool(CONFIGS, with(all, "--alter", "--add-config", "log.cleaner.threads=2")).ok().only("Completed updating default config for brokers in the cluster.");
        awaitSays(tools, "  log.cleaner.threads=2 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.cleaner.threads=2}", with(all, "--describe"));
        tools.tool(CONFIGS, with(all, "--describe")).ok().says("Default configs for brokers in the cluster are:").says("  min.insync.replicas=1 sensitive=false");
        Toolbox.await("the default", () -> tools.tool(CONFIGS, with(one, "--describe", "--all")).out.contains("  log.cleaner.threads=2 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:log.cleaner.threads=2, DEFAULT_CONFIG:log.cleaner.threads=1}"));
        tools.tool(CONFIGS, with(one, "--alter", "--add-config", "log.cleaner.threads=1")).ok();
        awaitSays(tools, "  log.cleaner.threads=1 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.cleaner.threads=1, DYNAMIC_DEFAULT_BROKER_CONFIG:log.cleaner.threads=2, DEFAULT_CONFIG:log.cleaner.threads=1}", with(one, "--describe"));
        tools.tool(CONFIGS, with(one, "--alter", "--delete-config", "log.cleaner.threads")).ok();
        tools.tool(CONFIGS, with(all, "--alter", "--delete-config", "log.cleaner.threads")).ok();
        Toolbox.await("no dynamic config", () -> !tools.tool(CONFIGS, with(one, "--describe")).out.contains("log.cleaner.threads"));
        Toolbox.Done every = tools.tool(CONFIGS, with(one, "--describe", "--all")).ok().says("All configs for broker " + node + " are:");
        every.line("  log.retention.hours=168 sensitive=false synonyms=\\{DEFAULT_CONFIG:log.retention.hours=168}");
        every.line("  ssl.key.password=null sensitive=true synonyms=\\{}");
        tools.tool(CONFIGS, with(one, "--alter", "--add-config", "node.id=77")).exits(1);
    }

    @Cases.Case static void brokerLogger(Toolbox tools) throws Exception {
        String[] what = {"--entity-type", "broker-loggers", "--entity-name", "" + tools.nodeId()};
        tools.tool(CONFIGS, with(what, "--describe")).ok().says("Dynamic configs for broker-logger");
    }

    @Cases.Case static void group(Toolbox tools) throws Exception {
        String[] what = {"--entity-type", "groups", "--entity-name", tools.name("group")};
        tools.tool(CONFIGS, with(what, "--alter", "--add-config", "consumer.session.timeout.ms=50000")).ok();
        awaitSays(tools, "  consumer.session.timeout.ms=50000 sensitive=false synonyms={DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=50000", with(what, "--describe"));
        tools.tool(CONFIGS, with(what, "--alter", "--delete-config", "consumer.session.timeout.ms")).ok();
    }

    @Cases.Case static void quotas(Toolbox tools) throws Exception {
        String user = tools.name("user");
        String[] what = {"--entity-type", "users", "--entity-name", user, "--entity-type", "clients", "--entity-name", "app"};
        tools.tool(CONFIGS, with(what, "--alter", "--add-config", "producer_byte_rate=1000000,consumer_byte_rate=2000000")).ok();
        awaitSays(tools, "Quota configs for user-principal '" + user + "', client-id 'app' are consumer_byte_rate=2000000.0, producer_byte_rate=1000000.0", with(what, "--describe"));
        tools.tool(CONFIGS, with(what, "--alter", "--delete-config", "producer_byte_rate,consumer_byte_rate")).ok();
        Toolbox.await("no quota", () -> !tools.tool(CONFIGS, with(what, "--describe")).out.contains("producer_byte_rate"));
    }

    @Cases.Case static void quotasOfAnAddress(Toolbox tools) throws Exception {
        String[] what = {"--entity-type", "ips", "--entity-name", "127.0.0.2"};
        tools.tool(CONFIGS, with(what, "--alter", "--add-config", "connection_creation_rate=200")).ok();
        awaitSays(tools, "Quota configs for ip '127.0.0.2' are connection_creation_rate=200.0", with(what, "--describe"));
        tools.tool(CONFIGS, with(what, "--alter", "--delete-config", "connection_creation_rate")).ok();
    }

    @Cases.Case static void scram(Toolbox tools) throws Exception {
        String user = tools.name("scram");
        String[] what = {"--entity-type", "users", "--entity-name", user};
        tools.tool(CONFIGS, with(what, "--alter", "--add-config", "SCRAM-SHA-256=[iterations=8192,password=secret]")).ok();
        awaitSays(tools, "SCRAM credential configs for user-principal '" + user + "' are SCRAM-SHA-256=iterations=8192", with(what, "--describe"));
        tools.tool(CONFIGS, with(what, "--alter", "--delete-config", "SCRAM-SHA-256")).ok();
    }

    @Cases.Case static void clientMetrics(Toolbox tools) throws Exception {
        String name = tools.name("metrics");
        tools.tool("ClientMetricsCommand", "--alter", "--name", name, "--metrics", "org.apache.kafka.consumer.,org.apache.kafka.producer.", "--interval", "30000", "--match", "client_id=app").ok()
            .only("Altered client metrics config for " + name + ".");
        Toolbox.await("the subscription", () -> tools.tool("ClientMetricsCommand", "--list").lines().contains(name));
        Toolbox.Done described = tools.tool("ClientMetricsCommand", "--describe", "--name", name).ok().says("Client metrics configs for " + name + " are:");
        described.line("  interval.ms=30000");
        described.line("  match=client_id=app");
        described.line("  metrics=org.apache.kafka.consumer.,org.apache.kafka.producer.");
        tools.tool(CONFIGS, "--entity-type", "client-metrics", "--entity-name", name, "--describe").ok().says("interval.ms=30000 sensitive=false synonyms={DYNAMIC_CLIENT_METRICS_CONFIG:interval.ms=30000");
        tools.tool("ClientMetricsCommand", "--delete", "--name", name).ok().only("Deleted client metrics config for " + name + ".");
        Toolbox.await("no subscription", () -> !tools.tool("ClientMetricsCommand", "--list").lines().contains(name));
        tools.tool("ClientMetricsCommand", "--describe", "--name", name).ok();
    }

    /** A plain topic has what a plain topic of Kafka has, and nothing else. */
    @Cases.Case static void keysOfATopic(Toolbox tools) throws Exception {
        String topic = tools.topic("keys", 1, 0);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Config config = tools.admin.describeConfigs(java.util.Set.of(resource)).all().get().get(resource);
        for (String key : new String[] {"compression.type", "delete.retention.ms", "file.delete.delay.ms", "flush.messages", "max.message.bytes", "min.insync.replicas", "preallocate", "unclean.leader.election.enable"}) {
            Toolbox.same(key + " is there", true, config.get(key) != null);
        }
    }

    static String[] with(String[] first, String... more) {
        String[] all = java.util.Arrays.copyOf(first, first.length + more.length);
        System.arraycopy(more, 0, all, first.length, more.length);
        return all;
    }
}
