/** kafka-get-offsets and kafka-delete-records. */
final class Offsets {
    private static final String OFFSETS = "GetOffsetShell";

    private Offsets() {
    }

    @Cases.Case static void getOffsets(Toolbox tools) throws Exception {
        String topic = tools.topic("get-offsets", 2, 20);
        tools.tool(OFFSETS, "--topic", topic).ok().only(topic + ":0:10", topic + ":1:10");
        tools.tool(OFFSETS, "--topic", topic, "--time", "latest").ok().only(topic + ":0:10", topic + ":1:10");
        tools.tool(OFFSETS, "--topic", topic, "--time", "-2").ok().only(topic + ":0:0", topic + ":1:0");
        tools.tool(OFFSETS, "--topic", topic, "--time", "earliest").ok().only(topic + ":0:0", topic + ":1:0");
        tools.tool(OFFSETS, "--topic", topic, "--time", "-3").ok().line(topic + ":0:[0-9]");
        tools.tool(OFFSETS, "--topic", topic, "--time", "earliest-local").ok().only(topic + ":0:0", topic + ":1:0");
        tools.tool(OFFSETS, "--topic", topic, "--time", "1000").ok().only(topic + ":0:0", topic + ":1:0");
        tools.tool(OFFSETS, "--topic", topic, "--time", "99999999999999").ok().only("");
        tools.tool(OFFSETS, "--topic", topic, "--partitions", "1").ok().only(topic + ":1:10");
        tools.tool(OFFSETS, "--topic-partitions", topic + ":0").ok().only(topic + ":0:10");
        tools.tool(OFFSETS, "--topic-partitions", "tools-get-off.*:1-").ok().only(topic + ":1:10");
    }

    @Cases.Case static void latestTiered(Toolbox tools) throws Exception {
        String topic = tools.topic("tiered", 1, 5);
        tools.tool(OFFSETS, "--topic", topic, "--time", "latest-tiered").ok().only("");
    }

    @Cases.Case static void getOffsetsOfAll(Toolbox tools) throws Exception {
        String topic = tools.topic("get-all", 1, 5);
        tools.tool(OFFSETS).ok().line(topic + ":0:5");
        tools.tool(OFFSETS, "--exclude-internal-topics").ok().saysNot("__consumer_offsets");
        tools.tool(OFFSETS, "--topic", tools.name("nothing")).exits(1).says("Could not match any topic-partitions with the specified filters");
    }

    @Cases.Case static void deleteRecords(Toolbox tools) throws Exception {
        String topic = tools.topic("delete-records", 2, 20);
        String file = tools.file("delete.json", "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":4},{\"topic\":\"" + topic + "\",\"partition\":1,\"offset\":-1}]}");
        Toolbox.Done done = tools.tool("DeleteRecordsCommand", "--offset-json-file", file).ok().says("Records delete operation completed:");
        done.line("partition: " + topic + "-0\\s+low_watermark: 4");
        done.line("partition: " + topic + "-1\\s+low_watermark: 10");
        tools.tool(OFFSETS, "--topic", topic, "--time", "-2").ok().only(topic + ":0:4", topic + ":1:10");
        String beyond = tools.file("beyond.json", "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":400}]}");
        tools.tool("DeleteRecordsCommand", "--offset-json-file", beyond).ok().says("OffsetOutOfRangeException");
    }
}
