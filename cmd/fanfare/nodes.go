package main

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/hub"
)

// nodesTimeout bounds how long a request waits for the answers of other nodes.
const nodesTimeout = 2 * time.Second

// listNodes is GET /nodes: the nodes of the cluster with their figures.
func (a *app) listNodes(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), nodesTimeout)
	defer cancel()
	w.Header().Set("Cache-Control", "no-store")
	a.answer(w, http.StatusOK, map[string]any{"nodes": a.hub.Nodes(ctx)})
}

// scannedPages bounds the pages of topics that a request looks through for topics that its sender may list.
const scannedPages = 10

// topicsPage returns a page of the topics of all nodes that may be listed. It has fewer than q.Limit, and still a cursor, if many
// others are between them.
func (a *app) topicsPage(ctx context.Context, q hub.TopicsQuery, may *policy.Rights) hub.ClusterTopics {
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	page := hub.ClusterTopics{Topics: []hub.TopicStats{}}
	limit := cmp.Or(q.Limit, hub.DefaultTopicsLimit)
	for range scannedPages {
		q.Limit = limit - len(page.Topics)
		all := a.hub.ClusterTopics(ctx, q)
		for _, t := range all.Topics {
			if may.May(policy.List, t.Name) {
				page.Topics = append(page.Topics, t)
			}
		}
		page.Next, page.Missing = all.Next, all.Missing
		if q.After = page.Next; page.Next == "" || len(page.Topics) == limit {
			break
		}
	}
	return page
}

// topicStats returns the figures of a topic or pattern at all nodes, whether it exists at any, and the nodes that have not
// answered.
func (a *app) topicStats(ctx context.Context, name string) (stats hub.TopicStats, ok bool, missing []string) {
	if !a.hub.HasBroker() {
		stats, ok = a.hub.Topic(name)
		return stats, ok, nil
	}
	ctx, cancel := context.WithTimeout(ctx, nodesTimeout)
	defer cancel()
	page := a.hub.ClusterTopics(ctx, hub.TopicsQuery{Prefix: name, Limit: 1, Users: hub.IsUserTopic(name)})
	if len(page.Topics) == 0 || page.Topics[0].Name != name { // name itself is the first of the names that begin with it
		return stats, false, page.Missing
	}
	return page.Topics[0], true, page.Missing
}
