// franz-go as a member of a group, and its smoke cases. See ../../compat/clients.py.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if os.Args[1] == "member" {
		member(ctx, os.Args[2], os.Args[3], os.Args[4])
	} else {
		smoke(ctx, os.Args[2], os.Args[3])
	}
}

func groupClient(bootstrap, topic, group string) (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.DisableAutoCommit(),
	)
}

func member(ctx context.Context, bootstrap, topic, group string) {
	client, err := groupClient(bootstrap, topic, group)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	for ctx.Err() == nil {
		fetches := client.PollRecords(ctx, 1000)
		fetches.EachRecord(func(r *kgo.Record) {
			length := len(r.Key)
			if r.Key == nil {
				length = -1
			}
			fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\n", r.Partition, r.Offset, length, r.Key, r.Value)
		})
		out.Flush()
		if err := client.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "commit:", err) // rebalancing: the records come again
		}
	}
	client.Close()
}
