package main

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fanfare-ws/fanfare/hub"
	"github.com/fanfare-ws/fanfare/hub/natsbroker/natstest"
)

// clusterScenario is a node whose link to NATS goes away, and whose stream is deleted.
func clusterScenario(t *testing.T) scenario {
	server := natstest.Start(t, "")
	proxy := natstest.NewProxy(t, server)
	return scenario{name: "cluster", args: []string{"-nats", proxy.URL, "-topic", "x history=10"}, do: func(m *mover) {
		m.is("fanfare_broker_up", 1)
		m.is("fanfare_broker_links_total", 1)
		burst := func() {
			for range 2000 {
				m.app.hub.PublishAsync("x", hub.Message{Data: make([]byte, 100)}, func(hub.Receipt, error) {})
			}
		}
		for _, series := range []string{"fanfare_broker_publish_seconds_count", "fanfare_broker_pending_messages", "fanfare_broker_pending_bytes", "fanfare_broker_queue_bytes"} {
			m.movesWith(burst, series)
		}
		proxy.Cut()
		m.moves(`fanfare_broker_losses_total{cause="connection"}`)
		m.movesWith(burst, `fanfare_broker_publish_failures_total{result="refused"}`)
		proxy.Restore()
		m.is("fanfare_broker_links_total", 2)
		deleteStream(m.t, server.URL, "FANFARE")
		m.moves("fanfare_broker_epoch_changes_total")
	}}
}

// deleteStream deletes a stream in NATS.
func deleteStream(t *testing.T, url, name string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		err = js.DeleteStream(t.Context(), name)
	}
	if err != nil {
		t.Fatal(err)
	}
}
