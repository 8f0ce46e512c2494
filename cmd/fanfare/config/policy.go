package config

import (
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy"
	"github.com/fanfare-ws/fanfare/cmd/fanfare/policy/rights"
)

// Policy returns the options of the policy, without a clock and a log.
func (c *Config) Policy() policy.Options {
	a := &c.Access
	anonymous := rights.Grants{Read: a.Anonymous.Read, Write: a.Anonymous.Write, List: a.Anonymous.List, Manage: a.Anonymous.Manage}
	users, granted := a.Users.grants(), c.Token.Granted.grants()
	o := policy.Options{
		TokenFile: a.TokenFile, Tokens: c.Token.Options(), Granted: &granted,
		Anonymous: &anonymous, Users: &users, Cookie: c.Token.Cookie,
		MaxConnsPerUser: c.Limits.MaxConnsPerUser,
	}
	for i := range a.Keys {
		k := &a.Keys[i]
		o.Keys = append(o.Keys, policy.KeyOptions{Name: k.Name, File: k.SecretFile, Secret: string(k.Secret), Grants: k.grants()})
	}
	return o
}

func (k *Key) grants() rights.Grants {
	return rights.Grants{Read: k.Read, Write: k.Write, List: k.List, Manage: k.Manage}
}

func (u *Users) grants() rights.Grants {
	return rights.Grants{Read: u.Read, Write: u.Write, List: u.List, Manage: u.Manage}
}

func (g *Granted) grants() rights.Grants {
	return rights.Grants{Read: g.Read, Write: g.Write, List: g.List, Manage: g.Manage}
}
