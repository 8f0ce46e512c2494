package hub

// Cut and Restore have a node lose its link, and get it back, for tests of other packages.
func (n *BusNode) Cut()     { n.cut() }
func (n *BusNode) Restore() { n.restore() }
