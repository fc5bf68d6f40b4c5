# Sourced by the librdkafka suites: the source and its test-runner, built once for all of them.
debian gcc g++ make pkg-config libssl-dev libsasl2-dev zlib1g-dev libzstd-dev liblz4-dev libcurl4-openssl-dev rapidjson-dev
PACKAGE=@confluentinc/kafka-javascript@1.10.1
FOLDER=$WORK/librdkafka-2.15.1 SOURCE=$WORK/librdkafka-2.15.1/package/deps/librdkafka
(
    flock 9
    [ -f "$FOLDER/.whole" ] && exit 0
    rm -rf "$FOLDER" && mkdir -p "$FOLDER" && cd "$FOLDER" || exit 2
    need npm npm
    echo "downloading $PACKAGE from npm and building librdkafka (some minutes, once)"
    npm pack --silent "$PACKAGE" >/dev/null && tar xzf ./*.tgz && cd "$SOURCE" || stop "npm cannot download $PACKAGE"
    ./configure --enable-devel && make -j2 libs && make -j2 -C tests build || stop "librdkafka cannot be built"
    touch "$FOLDER/.whole"
) 9>"$WORK/librdkafka.lock" || exit 2
# Some tests call Kafka's own scripts; jars and the two scripts that they want.
KAFKA_TOOLS=$(PYTHONPATH=$BOARD/../compat python3 -c 'from compat import toolchain; print(toolchain.kafka_tools())' | tail -1)
[ -d "$KAFKA_TOOLS" ] || stop "no Kafka tools"
export KAFKA_TOOLS KAFKA_PATH=$LIB/kafka-scripts
installed
exec python3 "$LIB/librdkafka_each.py" "$SOURCE/tests" "$OUT"
