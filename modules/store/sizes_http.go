package store

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
)

// sizeRoutes mounts the calls that tell how much is stored.
func (s *Store) sizeRoutes(api huma.API) {
	httpapi.Register(api, huma.Operation{
		OperationID: "group-size", Method: http.MethodGet, Path: "/rows/{group}/size", Tags: []string{"Tables"},
		Summary:     "Read how much of a group is stored",
		Description: "It takes some milliseconds, however large the group is: up to some 20,000 rows are counted, beyond they are estimated, and the answer says so.",
	}, s.groupSize)
	httpapi.Register(api, huma.Operation{
		OperationID: "stores", Method: http.MethodGet, Path: "/stores", Tags: []string{"Tables"},
		Summary:     "Read which stores there are, whether they answer, and how much they take",
		Description: "The offline store first. It is answered also while a store is not available.",
	}, s.stores)
}

// GroupSizeAnswer is a GroupSize as the API shows it.
type GroupSizeAnswer struct {
	Group     string `json:"group"`
	Rows      int64  `json:"rows" doc:"Observations in the offline store"`
	Estimated bool   `json:"estimated" doc:"rows is an estimate"`
	Bytes     int64  `json:"bytes" doc:"On disk, with indexes; embedded, where one file holds all groups, an estimate"`
}

type groupSizeOutput struct{ Body GroupSizeAnswer }

func (s *Store) groupSize(ctx context.Context, in *struct {
	Group string `path:"group" example:"customer_purchases"`
}) (*groupSizeOutput, error) {
	catalog := s.definitions.Catalog()
	group, ok := catalog.Group(in.Group)
	if !ok {
		err := catalog.UnknownGroup(in.Group)
		if problem, ok := fault.As(err); ok {
			return nil, problem.At("path.group", in.Group, "is no group")
		}
		return nil, err
	}
	snapshot, err := s.offline.Snapshot(ctx)
	if err != nil {
		return nil, unavailable("measure "+group.Name, err)
	}
	defer snapshot.Close()
	size, err := snapshot.GroupSize(ctx, group)
	if err != nil {
		return nil, unavailable("measure "+group.Name, err)
	}
	return &groupSizeOutput{GroupSizeAnswer{group.Name, size.Rows, size.Estimated, size.Bytes}}, nil
}

// StoreAnswer is a store as the API shows it.
type StoreAnswer struct {
	Store   string `json:"store" enum:"offline,online"`
	Engine  string `json:"engine,omitempty" enum:"sqlite,postgres,redis" doc:"Absent while it is not available"`
	State   string `json:"state" enum:"ok,unavailable"`
	Problem string `json:"problem,omitempty" doc:"Why it is not available"`
	Bytes   int64  `json:"bytes" doc:"What it takes on disk, or in memory"`
	In      string `json:"in,omitempty" enum:"disk,memory" doc:"Where it takes them"`
	Limit   int64  `json:"limit_bytes,omitempty" doc:"How many it may take, as the server is set; absent: nothing is set"`
}

type storesOutput struct {
	Body struct {
		Stores []StoreAnswer `json:"stores"`
	}
}

// sizeTime is how long a store may take to tell its size; it is unavailable then.
const sizeTime = 5 * time.Second

func (s *Store) stores(ctx context.Context, _ *struct{}) (*storesOutput, error) {
	out := &storesOutput{}
	for _, one := range []struct {
		name string
		ping func(context.Context) error
		size func(context.Context) (StoreSize, error)
	}{{"offline", s.offline.Ping, s.offline.Size}, {"online", s.online.Ping, s.online.Size}} {
		out.Body.Stores = append(out.Body.Stores, sized(ctx, one.name, one.ping, one.size))
	}
	return out, nil
}

func sized(ctx context.Context, name string, ping func(context.Context) error, size func(context.Context) (StoreSize, error)) StoreAnswer {
	ctx, cancel := context.WithTimeout(ctx, sizeTime)
	defer cancel()
	answer := StoreAnswer{Store: name, State: "unavailable"}
	found, err := size(ctx)
	if err == nil {
		answer.Engine, answer.Bytes, answer.In, answer.Limit = found.Engine, found.Bytes, "disk", found.Limit
		if found.InMemory {
			answer.In = "memory"
		}
		err = ping(ctx)
	}
	if err != nil {
		answer.Problem = err.Error()
		return answer
	}
	answer.State = "ok"
	return answer
}
