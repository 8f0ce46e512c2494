package hub

// Cut and Restore interrupt and restore the connection of a node to the broker, for tests of other
// packages.
func (n *MemoryNode) Cut()     { n.cut() }
func (n *MemoryNode) Restore() { n.restore() }
