package redis

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"

	"featurestore/app/fault"
)

// claimEnvironment stamps the prefix with the environment's name, or compares: a copy of an installation that was made for another
// environment has the identity of the original, and is not to write into its online store.
func (o *Online) claimEnvironment(ctx context.Context) error {
	mine := o.options.Environment
	var stored string
	var err error
	if mine == "" {
		stored, err = o.client.Do(ctx, o.client.B().Get().Key(o.keys.environment()).Build()).ToString()
		if rueidis.IsRedisNil(err) {
			err = nil
		}
	} else {
		stored, err = o.stamp(ctx, o.keys.environment(), mine)
	}
	if err != nil {
		return fmt.Errorf("claiming the online store: %w", err)
	}
	if stored != mine {
		return fault.New(fault.Conflict, "another-environment",
			"the keys %s:* in Redis belong to the environment %s, and this process is set to %q: set redis.url or redis.prefix to those of its own environment",
			o.keys.prefix, stored, mine)
	}
	return nil
}

// Adopt stamps the prefix with the environment's name, whatever it carries; "" takes the stamp away.
func (o *Online) Adopt(ctx context.Context) error {
	key := o.keys.environment()
	command := o.client.B().Set().Key(key).Value(o.options.Environment).Build()
	if o.options.Environment == "" {
		command = o.client.B().Del().Key(key).Build()
	}
	if err := o.client.Do(ctx, command).Error(); err != nil {
		return fmt.Errorf("stamping the online store with its environment: %w", err)
	}
	return nil
}

// stamp sets a key that is not there, unless the store only reads, and answers what it holds.
func (o *Online) stamp(ctx context.Context, key, value string) (string, error) {
	command := o.client.B().Set().Key(key).Value(value).Nx().Get().Build()
	if o.options.ReadOnly {
		command = o.client.B().Get().Key(key).Build()
	}
	stored, err := o.client.Do(ctx, command).ToString()
	if rueidis.IsRedisNil(err) { // it was nobody's
		return value, nil
	}
	return stored, err
}
