package hub

// Cut and Restore have a node lose its link, and get it back, for tests of other packages.
func (n *MemoryNode) Cut()     { n.cut() }
func (n *MemoryNode) Restore() { n.restore() }
