import java.util.regex.Matcher;

/** kafka-reassign-partitions and kafka-leader-election. */
final class Reassign {
    private static final String REASSIGN = "reassign.ReassignPartitionsCommand";

    private Reassign() {
    }

    private static String assignment(String topic, Object... replicas) {
        StringBuilder text = new StringBuilder("{\"version\":1,\"partitions\":[");
        for (int i = 0; i < replicas.length; i++) {
            text.append(i > 0 ? "," : "").append("{\"topic\":\"").append(topic).append("\",\"partition\":").append(i).append(",\"replicas\":[").append(replicas[i]).append("]}");
        }
        return text.append("]}").toString();
    }

    @Cases.Case static void generate(Toolbox tools) throws Exception {
        String topic = tools.topic("generate", 2, 0);
        int node = tools.nodeId();
        String file = tools.file("topics.json", "{\"version\":1,\"topics\":[{\"topic\":\"" + topic + "\"}]}");
        Toolbox.Done done = tools.tool(REASSIGN, "--generate", "--topics-to-move-json-file", file, "--broker-list", "" + node).ok();
        done.says("Current partition replica assignment").says("Proposed partition reassignment configuration");
        done.line("\\{\"version\":1,\"partitions\":\\[\\{\"topic\":\"" + topic + "\",\"partition\":0,\"replicas\":\\[" + node + "],\"log_dirs\":\\[\"any\"]},.*");
    }

    @Cases.Case static void executeAndVerify(Toolbox tools) throws Exception {
        String topic = tools.topic("execute", 2, 0);
        int node = tools.nodeId();
        String file = tools.file("assignment.json", assignment(topic, node, node));
        tools.tool(REASSIGN, "--execute", "--reassignment-json-file", file).ok().says("Successfully started partition reassignments for " + topic + "-0," + topic + "-1");
        Toolbox.Done done = tools.tool(REASSIGN, "--verify", "--reassignment-json-file", file).ok();
        done.line("Reassignment of partition " + topic + "-0 is completed.");
        done.line("Reassignment of partition " + topic + "-1 is completed.");
        tools.tool(REASSIGN, "--list").ok().says("No partition reassignments found.");
        tools.tool(REASSIGN, "--cancel", "--reassignment-json-file", file).ok().says("None of the specified partition reassignments are active.");
    }

    @Cases.Case static void wrongly(Toolbox tools) throws Exception {
        String topic = tools.topic("misplaced", 1, 0);
        String unknownBroker = tools.file("unknown-broker.json", assignment(topic, 4711));
        tools.tool(REASSIGN, "--execute", "--reassignment-json-file", unknownBroker).exits(1).says("Unknown broker id 4711");
        String unknownTopic = tools.file("unknown-topic.json", assignment(tools.name("nothing"), tools.nodeId()));
        tools.tool(REASSIGN, "--execute", "--reassignment-json-file", unknownTopic).exits(1);
    }

    @Cases.Case static void moveToADirectory(Toolbox tools) throws Exception {
        String topic = tools.topic("directory", 1, 10);
        int node = tools.nodeId();
        Matcher found = tools.tool("LogDirsCommand", "--describe", "--topic-list", topic).ok().line(".*\"logDir\":\"([^\"]+)\".*");
        String file = tools.file("directory.json", "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"replicas\":[" + node + "],\"log_dirs\":[\"" + found.group(1) + "\"]}]}");
        tools.tool(REASSIGN, "--execute", "--reassignment-json-file", file).ok();
        Toolbox.await("the replica there", () -> tools.tool(REASSIGN, "--verify", "--reassignment-json-file", file).out.contains("Reassignment of partition " + topic + "-0 is completed."));
    }

    @Cases.Case static void electLeaders(Toolbox tools) throws Exception {
        String topic = tools.topic("elect", 1, 0);
        tools.tool("LeaderElectionCommand", "--election-type", "preferred", "--topic", topic, "--partition", "0").ok().says("Valid replica already elected for partitions " + topic + "-0");
        tools.tool("LeaderElectionCommand", "--election-type", "unclean", "--topic", topic, "--partition", "0").ok().says("Valid replica already elected for partitions " + topic + "-0");
        tools.tool("LeaderElectionCommand", "--election-type", "preferred", "--all-topic-partitions").ok();
        String file = tools.file("election.json", "{\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0}]}");
        tools.tool("LeaderElectionCommand", "--election-type", "preferred", "--path-to-json-file", file).ok();
        tools.tool("LeaderElectionCommand", "--election-type", "preferred", "--topic", tools.name("nothing"), "--partition", "0").exits(1).says("UnknownTopicOrPartitionException");
    }
}
