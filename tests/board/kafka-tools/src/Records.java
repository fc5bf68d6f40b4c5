import java.util.Arrays;
import java.util.List;

/** The tools that write and read records: console, verifiable, performance. */
final class Records {
    private static final String PRODUCER = "ConsoleProducer";
    private static final String CONSUMER = "consumer.ConsoleConsumer";

    private Records() {
    }

    @Cases.Case static void console(Toolbox tools) throws Exception {
        String topic = tools.topic("console", 1, 0);
        tools.withInput("one\ntwo\nthree\n", PRODUCER, "--topic", topic).ok();
        tools.tool(CONSUMER, "--topic", topic, "--from-beginning", "--max-messages", "3").ok().only("one", "two", "three");
        tools.tool(CONSUMER, "--topic", topic, "--partition", "0", "--offset", "1", "--max-messages", "2").ok().only("two", "three");
        tools.tool(CONSUMER, "--topic", topic, "--partition", "0", "--offset", "earliest", "--max-messages", "1").ok().only("one");
        tools.tool(CONSUMER, "--topic", topic, "--from-beginning", "--max-messages", "3", "--isolation-level", "read_committed").ok().only("one", "two", "three");
    }

    @Cases.Case static void consoleWithAllProperties(Toolbox tools) throws Exception {
        String topic = tools.topic("console-properties", 1, 0);
        tools.withInput("h1:a,h2:b\tkey\tvalue\nh1:c\tnothing\tNULL\n", PRODUCER, "--topic", topic, "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true",
            "--reader-property", "null.marker=NULL", "--compression-codec", "lz4", "--sync").ok();
        Toolbox.Done done = tools.tool(CONSUMER, "--topic", topic, "--from-beginning", "--max-messages", "2", "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
            "--formatter-property", "print.timestamp=true", "--formatter-property", "print.partition=true", "--formatter-property", "print.offset=true").ok();
        done.line("CreateTime:\\d+\tPartition:0\tOffset:0\th1:a,h2:b\tkey\tvalue");
        done.line("CreateTime:\\d+\tPartition:0\tOffset:1\th1:c\tnothing\tnull");
    }

    @Cases.Case static void consoleGroup(Toolbox tools) throws Exception {
        String topic = tools.topic("console-group", 2, 10);
        tools.tool(CONSUMER, "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", "10").ok();
        Toolbox.Done rest = tools.tool(CONSUMER, "--topic", topic, "--group", topic, "--from-beginning", "--timeout-ms", "3000");
        Toolbox.same("records after the group read them all", "", rest.out);
        tools.tool("consumer.group.ConsumerGroupCommand", "--describe", "--group", topic).ok().line("\\s*" + topic + "\\s+" + topic + "\\s+0\\s+5\\s+5\\s+0\\s+.*");
    }

    @Cases.Case static void consolePattern(Toolbox tools) throws Exception {
        tools.topic("include-a", 1, 3);
        tools.topic("include-b", 1, 3);
        Toolbox.Done done = tools.tool(CONSUMER, "--include", "tools-include-.*", "--from-beginning", "--max-messages", "6").ok();
        done.only("v0", "v0", "v1", "v1", "v2", "v2");
    }

    @Cases.Case static void consoleCodecs(Toolbox tools) throws Exception {
        for (String codec : new String[] {"none", "gzip", "snappy", "lz4", "zstd"}) {
            String topic = tools.topic("console-" + codec, 1, 0);
            tools.withInput("one\ntwo\n", PRODUCER, "--topic", topic, "--compression-codec", codec).ok();
            tools.tool(CONSUMER, "--topic", topic, "--from-beginning", "--max-messages", "2").ok().only("one", "two");
        }
    }

    @Cases.Case static void offsetsOfGroupsByFormatter(Toolbox tools) throws Exception {
        String topic = tools.topic("formatter", 1, 5);
        tools.tool(CONSUMER, "--topic", topic, "--group", topic, "--from-beginning", "--max-messages", "5").ok();
        String[] all = {"--topic", "__consumer_offsets", "--from-beginning", "--timeout-ms", "3000", "--formatter"};
        tools.tool(CONSUMER, Configs.with(all, "org.apache.kafka.tools.consumer.OffsetsMessageFormatter")).ok()
            .says("{\"key\":{\"type\":1,\"data\":{\"group\":\"" + topic + "\",\"topic\":\"" + topic + "\",\"partition\":0}},\"value\":{\"version\":4,\"data\":{\"offset\":5,");
        tools.tool(CONSUMER, Configs.with(all, "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter")).ok()
            .says("{\"key\":{\"type\":2,\"data\":{\"group\":\"" + topic + "\"}},\"value\":{\"version\":3,\"data\":{\"protocolType\":\"consumer\",");
    }

    @Cases.Case static void verifiableProducerAndConsumer(Toolbox tools) throws Exception {
        String topic = tools.topic("verifiable", 2, 0);
        Toolbox.Done produced = tools.tool("VerifiableProducer", "--topic", topic, "--max-messages", "500", "--throughput", "-1", "--repeating-keys", "7").ok();
        Toolbox.same("acknowledged", 500L, produced.lines().stream().filter(l -> l.contains("\"producer_send_success\"")).count());
        produced.line(".*\"name\":\"tool_data\".*\"sent\":500,\"acked\":500.*");
        Toolbox.Done consumed = tools.tool("VerifiableConsumer", "--topic", topic, "--group-id", topic, "--max-messages", "500").ok();
        consumed.line(".*\"name\":\"partitions_assigned\".*");
        consumed.line(".*\"name\":\"offsets_committed\".*\"success\":true.*");
        int count = consumed.lines().stream().filter(l -> l.contains("\"records_consumed\"")).mapToInt(l -> Integer.parseInt(l.replaceAll(".*\"records_consumed\".*?\"count\":(\\d+).*", "$1"))).sum();
        Toolbox.same("consumed", 500, count);
    }

    @Cases.Case static void performance(Toolbox tools) throws Exception {
        String topic = tools.topic("performance", 2, 0);
        Toolbox.Done produced = tools.tool("ProducerPerformance", "--topic", topic, "--num-records", "5000", "--record-size", "100", "--throughput", "-1").ok();
        produced.line("5000 records sent, .* records/sec .*");
        Toolbox.Done consumed = tools.tool("ConsumerPerformance", "--topic", topic, "--num-records", "5000").ok();
        List<String> lines = consumed.lines();
        Toolbox.same("records", "5000", lines.get(lines.size() - 1).split(",\\s*")[4]);
    }

    @Cases.Case static void endToEndLatency(Toolbox tools) throws Exception {
        String topic = tools.topic("latency", 1, 0);
        Toolbox.Done done = tools.bare("", "EndToEndLatency", "--bootstrap-server", tools.bootstrap, "--topic", topic, "--num-records", "50", "--producer-acks", "all", "--record-size", "100").ok();
        done.says("Percentiles: 50th = ");
    }

    @Cases.Case static void clientCompatibility(Toolbox tools) throws Exception {
        String topic = tools.topic("compatibility", 1, 0);
        String[] arguments = {"--topic", topic, "--bootstrap-server", tools.bootstrap, "--offsets-for-times-supported", "True", "--cluster-id-supported", "True",
            "--expect-record-too-large-exception", "False", "--num-cluster-nodes", "1", "--create-topics-supported", "True", "--describe-acls-supported", "True",
            "--describe-configs-supported", "True", "--idempotent-producer-supported", "True"};
        Toolbox.Done done = tools.bare("", "ClientCompatibilityTest", arguments);
        if (done.code != 0) {
            throw new AssertionError(Arrays.asList(done.code, done.out, done.err).toString());
        }
        done.says("SUCCESS.");
    }
}
