package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type suite struct {
	ctx               context.Context
	bootstrap, prefix string
	admin             *kadm.Client
}

func (s *suite) topic(name string, partitions int32, configs map[string]*string) (string, error) {
	topic := fmt.Sprintf("%s-%s-%06x", s.prefix, name, rand.Intn(1<<24))
	answer, err := s.admin.CreateTopic(s.ctx, partitions, 1, configs, topic)
	if err == nil {
		err = answer.Err
	}
	return topic, err
}

// fill writes count records: key null for every fifth, value null for every seventh, two headers.
func (s *suite) fill(topic string, count int, timestamps bool, opts ...kgo.Opt) error {
	opts = append([]kgo.Opt{kgo.SeedBrokers(s.bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	var records []*kgo.Record
	for i := 0; i < count; i++ {
		r := &kgo.Record{Topic: topic, Partition: int32(i % 2)}
		if i%5 != 0 {
			r.Key = fmt.Appendf(nil, "k%d", i)
		}
		if i%7 != 0 {
			r.Value = fmt.Appendf(nil, "v%d", i)
		}
		r.Headers = []kgo.RecordHeader{{Key: "n", Value: fmt.Appendf(nil, "%d", i)}, {Key: "none"}}
		if timestamps {
			r.Partition, r.Timestamp = 0, time.UnixMilli(1_700_000_000_000+int64(i)*1000)
		}
		records = append(records, r)
	}
	return client.ProduceSync(s.ctx, records...).FirstErr()
}

func (s *suite) take(client *kgo.Client, count int) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(s.ctx, 25*time.Second)
	defer cancel()
	var got []*kgo.Record
	for len(got) < count && ctx.Err() == nil {
		got = append(got, client.PollFetches(ctx).Records()...)
	}
	if len(got) != count {
		return got, fmt.Errorf("%d of %d records", len(got), count)
	}
	return got, nil
}

func (s *suite) roundtrip(name string, opts ...kgo.Opt) error {
	topic, err := s.topic("rt-"+name, 2, nil)
	if err != nil {
		return err
	}
	if err := s.fill(topic, 1000, false, opts...); err != nil {
		return err
	}
	client, err := groupClient(s.bootstrap, topic, topic)
	if err != nil {
		return err
	}
	defer client.Close()
	records, err := s.take(client, 1000)
	if err != nil {
		return err
	}
	seen, next := map[string]bool{}, map[int32]int64{}
	for _, r := range records {
		n := string(r.Headers[0].Value)
		var i int
		fmt.Sscan(n, &i)
		key, value := "k"+n, "v"+n
		if (i%5 == 0) != (r.Key == nil) || (i%7 == 0) != (r.Value == nil) || r.Headers[1].Value != nil {
			return fmt.Errorf("nulls of record %d", i)
		}
		if (r.Key != nil && string(r.Key) != key) || (r.Value != nil && string(r.Value) != value) {
			return fmt.Errorf("content of record %d", i)
		}
		if r.Offset != next[r.Partition] {
			return fmt.Errorf("gap or disorder at %d", r.Offset)
		}
		next[r.Partition] = r.Offset + 1
		seen[n] = true
	}
	if len(seen) != 1000 {
		return fmt.Errorf("%d distinct records", len(seen))
	}
	if err := client.CommitUncommittedOffsets(s.ctx); err != nil {
		return err
	}
	offsets, err := s.admin.FetchOffsets(s.ctx, topic)
	if err != nil {
		return err
	}
	for p, want := range next {
		if got, ok := offsets.Lookup(topic, p); !ok || got.At != want {
			return fmt.Errorf("committed %v, not %d", got.At, want)
		}
	}
	return nil
}

func codec(c kgo.CompressionCodec) kgo.Opt { return kgo.ProducerBatchCompression(c) }

func (s *suite) offsetsByTimestamp() error {
	topic, err := s.topic("time", 1, nil)
	if err != nil {
		return err
	}
	if err := s.fill(topic, 10, true); err != nil {
		return err
	}
	after, err := s.admin.ListOffsetsAfterMilli(s.ctx, 1_700_000_003_500, topic)
	if err != nil {
		return err
	}
	end, err := s.admin.ListEndOffsets(s.ctx, topic)
	if err != nil {
		return err
	}
	if a, e := after[topic][0].Offset, end[topic][0].Offset; a != 4 || e != 10 {
		return fmt.Errorf("offsets %d and %d", a, e)
	}
	return nil
}

func (s *suite) configs() error {
	retention := "1234567"
	topic, err := s.topic("conf", 1, map[string]*string{"retention.ms": &retention})
	if err != nil {
		return err
	}
	get := func() string {
		described, err := s.admin.DescribeTopicConfigs(s.ctx, topic)
		if err != nil {
			return err.Error()
		}
		for _, c := range described[0].Configs {
			if c.Key == "retention.ms" {
				return c.MaybeValue()
			}
		}
		return "missing"
	}
	if got := get(); got != retention {
		return fmt.Errorf("retention.ms is %s", got)
	}
	changed := "77"
	if _, err := s.admin.AlterTopicConfigs(s.ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &changed}}, topic); err != nil {
		return err
	}
	for i := 0; i < 100 && get() != changed; i++ {
		time.Sleep(50 * time.Millisecond)
	}
	if got := get(); got != changed {
		return fmt.Errorf("retention.ms stayed %s", got)
	}
	return nil
}

func (s *suite) topics() error {
	topic, err := s.topic("topic", 2, nil)
	if err != nil {
		return err
	}
	if _, err := s.admin.UpdatePartitions(s.ctx, 5, topic); err != nil {
		return err
	}
	count := func() int {
		details, _ := s.admin.ListTopics(s.ctx, topic)
		return len(details[topic].Partitions)
	}
	for i := 0; i < 200 && count() != 5; i++ {
		time.Sleep(50 * time.Millisecond)
	}
	if got := count(); got != 5 {
		return fmt.Errorf("%d partitions after growth", got)
	}
	if answer, _ := s.admin.CreateTopic(s.ctx, 1, 1, nil, topic); !errors.Is(answer.Err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("second creation: %v", answer.Err)
	}
	if _, err := s.admin.DeleteTopic(s.ctx, topic); err != nil {
		return err
	}
	for i := 0; i < 200 && count() != 0; i++ {
		time.Sleep(50 * time.Millisecond)
	}
	if count() != 0 {
		return errors.New("topic is still there")
	}
	return nil
}

func (s *suite) groups() error {
	topic, err := s.topic("group", 2, nil)
	if err != nil {
		return err
	}
	if err := s.fill(topic, 100, false); err != nil {
		return err
	}
	client, err := groupClient(s.bootstrap, topic, topic)
	if err != nil {
		return err
	}
	if _, err := s.take(client, 100); err != nil {
		client.Close()
		return err
	}
	described, err := s.admin.DescribeGroups(s.ctx, topic)
	if err != nil || described[topic].State != "Stable" || len(described[topic].Members) != 1 {
		client.Close()
		return fmt.Errorf("group is %v (%v)", described[topic].State, err)
	}
	client.Close()
	answers, err := s.admin.DeleteGroups(s.ctx, topic)
	if err != nil {
		return err
	}
	return answers.Error()
}

func smoke(ctx context.Context, bootstrap, prefix string) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		fmt.Println("fail connect", err)
		return
	}
	defer client.Close()
	s := &suite{ctx, bootstrap, prefix, kadm.NewClient(client)}
	cases := []struct {
		name string
		run  func() error
	}{
		{"none", func() error { return s.roundtrip("none", codec(kgo.NoCompression()), kgo.DisableIdempotentWrite()) }},
		{"gzip", func() error { return s.roundtrip("gzip", codec(kgo.GzipCompression())) }},
		{"snappy", func() error { return s.roundtrip("snappy", codec(kgo.SnappyCompression())) }},
		{"lz4", func() error { return s.roundtrip("lz4", codec(kgo.Lz4Compression())) }},
		{"zstd", func() error { return s.roundtrip("zstd", codec(kgo.ZstdCompression())) }},
		{"offsets_by_timestamp", s.offsetsByTimestamp},
		{"configs", s.configs},
		{"topics", s.topics},
		{"groups", s.groups},
	}
	for _, c := range cases {
		if err := c.run(); err != nil {
			fmt.Println("fail", c.name, strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Println("pass", c.name)
		}
	}
}
