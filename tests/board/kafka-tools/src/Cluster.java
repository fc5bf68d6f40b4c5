import org.apache.kafka.clients.admin.QuorumInfo;

/** kafka-cluster, kafka-metadata-quorum, kafka-features, kafka-broker-api-versions, kafka-log-dirs, kafka-transactions. */
final class Cluster {
    private Cluster() {
    }

    @Cases.Case static void clusterId(Toolbox tools) throws Exception {
        tools.bare("", "ClusterTool", "cluster-id", "--bootstrap-server", tools.bootstrap).ok().only("Cluster ID: " + tools.admin.describeCluster().clusterId().get());
    }

    @Cases.Case static void listEndpoints(Toolbox tools) throws Exception {
        Toolbox.Done done = tools.bare("", "ClusterTool", "list-endpoints", "--bootstrap-server", tools.bootstrap).ok();
        String[] address = tools.bootstrap.split(":");
        done.line("ID\\s+HOST\\s+PORT\\s+RACK\\s+STATE\\s+ENDPOINT_TYPE\\s*");
        done.line(tools.nodeId() + "\\s+" + address[0] + "\\s+" + address[1] + "\\s+null\\s+unfenced\\s+broker\\s*");
        tools.bare("", "ClusterTool", "list-endpoints", "--include-fenced-brokers", "--bootstrap-server", tools.bootstrap).ok()
            .line(tools.nodeId() + "\\s+" + address[0] + "\\s+" + address[1] + "\\s+null\\s+unfenced\\s+broker\\s*");
    }

    @Cases.Case static void unregister(Toolbox tools) throws Exception {
        tools.bare("", "ClusterTool", "unregister", "--id", "4711", "--bootstrap-server", tools.bootstrap).exits(1).says("BrokerIdNotRegisteredException");
    }

    @Cases.Case static void quorumStatus(Toolbox tools) throws Exception {
        QuorumInfo quorum = tools.admin.describeMetadataQuorum().quorumInfo().get();
        int node = tools.nodeId();
        Toolbox.Done done = tools.tool("MetadataQuorumCommand", "describe", "--status").ok();
        done.line("ClusterId:\\s+" + tools.admin.describeCluster().clusterId().get());
        done.line("LeaderId:\\s+" + node);
        done.line("LeaderEpoch:\\s+" + quorum.leaderEpoch());
        done.line("HighWatermark:\\s+\\d+");
        done.line("MaxFollowerLag:\\s+0");
        done.line("MaxFollowerLagTimeMs:\\s+\\d+");
        done.line("CurrentVoters:\\s+\\[\\{\"id\": " + node + ", \"directoryId\": \"[A-Za-z0-9_-]{22}\", \"endpoints\": \\[\"CONTROLLER://127.0.0.1:\\d+\"\\]}\\]");
        done.line("CurrentObservers:\\s+\\[\\]");
    }

    @Cases.Case static void quorumReplication(Toolbox tools) throws Exception {
        int node = tools.nodeId();
        Toolbox.Done done = tools.tool("MetadataQuorumCommand", "describe", "--replication").ok();
        done.line("NodeId\\s+DirectoryId\\s+LogEndOffset\\s+Lag\\s+LastFetchTimestamp\\s+LastCaughtUpTimestamp\\s+Status\\s*");
        done.line(node + "\\s+[A-Za-z0-9_-]{22}\\s+\\d+\\s+0\\s+\\d+\\s+\\d+\\s+Leader\\s*");
        tools.tool("MetadataQuorumCommand", "describe", "--replication", "--human-readable").ok().line(node + "\\s+.*ms ago.*Leader\\s*");
    }

    @Cases.Case static void features(Toolbox tools) throws Exception {
        Toolbox.Done done = tools.tool("FeatureCommand", "describe").ok();
        done.line("Feature: metadata.version\\s+SupportedMinVersion: 3.3-IV3\\s+SupportedMaxVersion: .+FinalizedVersionLevel: .+\\s+Epoch: \\d+");
        done.line("Feature: kraft.version\\s+SupportedMinVersion: 0\\s+SupportedMaxVersion: 1\\s+FinalizedVersionLevel: 1\\s+Epoch: \\d+");
    }

    @Cases.Case static void updateFeatures(Toolbox tools) throws Exception {
        tools.tool("FeatureCommand", "upgrade", "--feature", "metadata.version=300").exits(1).says("Could not upgrade metadata.version to 300.");
        tools.tool("FeatureCommand", "upgrade", "--feature", "no.such.feature=1").exits(1).says("Could not upgrade no.such.feature to 1.");
        tools.tool("FeatureCommand", "downgrade", "--feature", "metadata.version=99").exits(1);
    }

    @Cases.Case static void brokerApiVersions(Toolbox tools) throws Exception {
        Toolbox.Done done = tools.tool("BrokerApiVersionsCommand").ok();
        done.line(tools.bootstrap + " \\(id: " + tools.nodeId() + " rack: null isFenced: false\\) -> \\(");
        done.line("\tProduce\\(0\\): 0 to 13 \\[usable: 13],");
        done.line("\tFetch\\(1\\): 4 to 18 \\[usable: 18],");
        done.line("\tMetadata\\(3\\): 0 to 13 \\[usable: 13],");
    }

    @Cases.Case static void logDirs(Toolbox tools) throws Exception {
        String topic = tools.topic("log-dirs", 2, 20);
        Toolbox.Done done = tools.tool("LogDirsCommand", "--describe", "--topic-list", topic).ok().says("Querying brokers for log directories information")
            .says("Received log directory information from brokers " + tools.nodeId());
        done.line("\\{\"brokers\":\\[\\{\"broker\":" + tools.nodeId() + ",\"logDirs\":\\[\\{.*\"partition\":\"" + topic + "-0\",.*");
        done.line(".*\"size\":[1-9]\\d*,\"offsetLag\":0,\"isFuture\":false.*");
        tools.tool("LogDirsCommand", "--describe", "--broker-list", "4711").exits(1).says("The given brokers do not exist from --broker-list: 4711");
    }

    @Cases.Case static void transactions(Toolbox tools) throws Exception {
        String topic = tools.topic("transactions", 1, 5);
        tools.tool("TransactionsCommand", "list").ok().line("TransactionalId\\s+Coordinator\\s+ProducerId\\s+TransactionState\\s*");
        tools.tool("TransactionsCommand", "find-hanging", "--broker-id", "" + tools.nodeId()).ok();
        tools.tool("TransactionsCommand", "describe-producers", "--topic", topic, "--partition", "0").ok();
    }

    @Cases.Case static void describeProducers(Toolbox tools) throws Exception {
        String topic = tools.topic("producers", 1, 5);
        Toolbox.Done done = tools.tool("TransactionsCommand", "describe-producers", "--topic", topic, "--partition", "0").ok();
        done.line("ProducerId\\s+ProducerEpoch\\s+LatestCoordinatorEpoch\\s+LastSequence\\s+LastTimestamp\\s+CurrentTransactionStartOffset\\s*");
        done.line("\\d+\\s+0\\s+-1\\s+4\\s+\\d+\\s+None\\s*");
    }
}
