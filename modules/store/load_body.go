package store

import (
	"io"

	"featurestore/modules/store/table"
)

// loadBody is the body of a load. Close it when the load has ended.
type loadBody struct {
	store *Store
	in    *loadInput
	whole bool     // it is received whole before the load begins
	kept  *spooled // what is kept of it
}

// open begins with the table that the body is. A load that creates features may read it twice, so for that the body is received whole too.
func (b *loadBody) open(body io.Reader, request *LoadRequest) (table.Reader, error) {
	b.kept = &spooled{}
	if b.whole || b.in.Create {
		received, err := b.store.spool(body)
		if err != nil {
			return nil, err
		}
		b.kept, body = received, received
	}
	if b.in.Create {
		request.Create = b.again
	}
	return b.read(body)
}

func (b *loadBody) read(body io.Reader) (table.Reader, error) {
	source, _, err := table.NewReader(body, b.store.tableOptions(&b.in.Payload, b.kept))
	return source, err
}

// again opens the table of a body that is kept from its beginning.
func (b *loadBody) again() (table.Reader, error) {
	if err := b.kept.rewind(); err != nil {
		return nil, err
	}
	return b.read(b.kept)
}

func (b *loadBody) Close() error {
	if b.kept == nil {
		return nil
	}
	return b.kept.Close()
}
