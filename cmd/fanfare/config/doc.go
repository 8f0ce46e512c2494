// Package config is the configuration of fanfare: flags, environment and a TOML file, from one struct, [Config].
//
// A value comes from the first of these that has it: a flag, the environment, the file, the default. A list comes from one
// of them as a whole.
package config
