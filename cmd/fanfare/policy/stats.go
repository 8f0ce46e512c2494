package policy

// Stats are figures of a policy.
type Stats struct {
	Conns       int    // open connections that have a user, a key or a token
	Users       int    // that have open connections
	Expiring    int    // open connections whose identity ends at some time
	Revocations int    // in force
	Expired     uint64 // connections that were ended because their token had expired
	Revoked     uint64 // connections that were ended because their token or key was revoked
}

// Stats returns the figures at the moment.
func (p *Policy) Stats() Stats {
	c := p.conns.Stats()
	return Stats{
		Conns: c.Conns, Users: c.Users, Expiring: c.Expiring, Revocations: p.gone.Len(), Expired: c.Expired, Revoked: c.Ended,
	}
}
