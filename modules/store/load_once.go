package store

import (
	"context"
	"errors"
	"net/http"
	"time"

	"featurestore/app/httpapi"
	"featurestore/modules/registry"
)

// keyedLoad is a load that came with a key. The key is reserved under the load's run before the first row is taken, since loads take
// long, and remembered in the load's commit. A reservation means something as long as its run goes on.
type keyedLoad struct {
	request     *KeyedRequest
	fingerprint func() ([32]byte, error) // asked when all rows have been read; nil: it is known, and the answer is that the run goes on
}

// keyLoad is for a load that is answered when it has ended, or with a fingerprint one that is answered at once.
func keyLoad(key [32]byte, keep time.Duration, later *[32]byte, fingerprint func() ([32]byte, error)) *keyedLoad {
	k := &keyedLoad{request: &KeyedRequest{Key: key, Keep: keep}, fingerprint: fingerprint}
	k.request.Status = http.StatusOK
	if later != nil {
		k.request.Status, k.request.Fingerprint = http.StatusAccepted, *later
	}
	return k
}

// reserve takes the key for the run.
func (l *loading) reserve(ctx context.Context) error {
	request := l.request.once.request
	request.Run, request.Reserved = l.loaded.Run, true
	if l.request.once.fingerprint == nil {
		run, err := l.store.runs.Get(ctx, l.loaded.Run)
		if err != nil {
			return err
		}
		if request.Answer, err = httpapi.Marshal(run.Show()); err != nil {
			return err
		}
	}
	err := l.store.offline.AppendOnce(ctx, nil, []*KeyedRequest{request})
	if errors.Is(err, ErrKnown) {
		return inFlight() // it was free a moment ago
	}
	return unavailable("begin a load", err)
}

// commitOnce commits a load that came with a key; where no row was good, the key alone.
func (l *loading) commitOnce(ctx context.Context) (err error) {
	once := l.request.once
	once.request.Reserved = false
	if once.fingerprint != nil {
		if once.request.Fingerprint, err = once.fingerprint(); err != nil {
			return err
		}
		l.loaded.Ignored = append([]string{}, l.source.Ignored()...)
		if err := once.describe(l); err != nil {
			return err
		}
	}
	if l.load == nil {
		err = l.store.offline.AppendOnce(ctx, nil, []*KeyedRequest{once.request})
	} else {
		err = l.load.CommitOnce(ctx, once.request)
	}
	if errors.Is(err, ErrKnown) {
		return inFlight() // the run was taken for dead, and another load has the key
	}
	if err != nil {
		return unavailable("commit a load", err)
	}
	if l.load != nil {
		l.countDuplicates()
		l.store.settleCounts(ctx, once.request, l.loaded.Stored, l.loaded.Duplicate)
	}
	return nil
}

// describe makes the answer of a load as far as it is known now.
func (k *keyedLoad) describe(l *loading) error {
	text, err := httpapi.Marshal(&l.loaded)
	if err != nil {
		return err
	}
	if k.request.counted = l.load != nil && l.group.IDColumn != ""; k.request.counted {
		text = markCounts(text, &l.loaded)
	}
	k.request.Answer = append(text[:len(text)-1], ',', MarkOutcome, '}')
	k.request.Outcome = `"online":` + quoted(OnlineNone)
	if l.loaded.Stored > 0 && l.group.Kind == registry.Features {
		k.request.Outcome = `"online":` + quoted(OnlinePending)
	}
	if k.request.counted {
		k.request.Outcome = withCounts(k.request.Outcome, l.loaded.Stored, 0)
	}
	return nil
}

// giveUp lets a load that has failed be sent again.
func (l *loading) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	if err := l.store.offline.Release(ctx, l.request.once.request.Key, l.loaded.Run); err != nil {
		l.store.log.Warn("an idempotency key stays reserved until it is used again", "run", l.loaded.Run, "error", err)
	}
}
