package hub

import "context"

var _ Unstorer = (*MemoryNode)(nil)

// JoinUnstored makes MemoryNode an Unstorer.
func (n *MemoryNode) JoinUnstored(ctx context.Context, topic string) error {
	_, err := n.Join(ctx, topic)
	return err
}
