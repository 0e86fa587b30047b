package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/runs"
	"featurestore/modules/store/table"
)

// erasureRoutes mounts the calls that erase entities.
func (s *Store) erasureRoutes(api huma.API) {
	tags := []string{"Erasing"}
	answers := httpapi.Answers[Erased](api, "With dry_run, what it would delete; with wait, the run once it has ended")
	answers["202"] = &huma.Response{
		Description: "The run that does it",
		Content:     map[string]*huma.MediaType{jsonType: {Schema: httpapi.Schema[runs.Answer](api)}},
	}
	httpapi.Register(api, huma.Operation{
		OperationID: "erase", Method: http.MethodDelete, Path: "/store/{entity_type}/{entity_id}", Tags: tags,
		Summary: "Erase an entity",
		Description: "The entity is entered into a ledger, by a keyed hash, before the answer. A run then deletes all of its rows in all groups of the entity type, " +
			"from history and online. What is dated up to the cut-off, about now, is not stored again, by whichever way it comes: it counts as erased. " +
			"What is dated later is accepted. It cannot be undone.",
		Responses: answers,
	}, s.erase)
	list := httpapi.Answers[erasuresAnswer](api, "The entries, those entered first before the others")
	list["200"].Content["application/x-ndjson"] = &huma.MediaType{Schema: anyText}
	httpapi.Register(api, huma.Operation{
		OperationID: "list-erasures", Method: http.MethodGet, Path: "/erasures", Tags: tags,
		Summary: "Read the ledger of erased entities",
		Description: "With format=ndjson all of it, with the secrets of the hashes, for POST /erasures of another installation or of this one after a restore. Who has that " +
			"can tell of an entity whether it was erased: keep it as you keep a backup.",
		Responses: list,
	}, s.listErasures)
	entered := httpapi.Answers[enteredAnswer](api, "What became of the entries")
	httpapi.Register(api, huma.Operation{
		OperationID: "enter-erasures", Method: http.MethodPost, Path: "/erasures", Tags: tags,
		Summary:     "Take entries of another copy of the ledger over",
		Description: "The body is what GET /erasures?format=ndjson answers. Entries that are new, or have a later cut-off, are erased here too, by the run that is answered.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/x-ndjson": {Schema: anyText}}}, Responses: entered,
	}, s.enterErasures)
}

type eraseInput struct {
	EntityPath
	DryRun bool   `query:"dry_run" doc:"Change nothing; answer what would be deleted"`
	Wait   string `query:"wait" doc:"How long to wait for the run to end, such as 30s; at most 10m" example:"30s"`
}

func (s *Store) erase(ctx context.Context, in *eraseInput) (*revertOutput, error) {
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	entityType, key, err := in.find(s.definitions.Catalog())
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		erased, err := s.Erasable(ctx, entityType, key)
		return &revertOutput{Status: http.StatusOK, Body: erased}, err
	}
	run, err := s.Erase(ctx, entityType, key)
	if err != nil {
		return nil, err
	}
	return s.answerRun(ctx, run, wait)
}

type listErasuresInput struct {
	httpapi.Page
	Format string `query:"format" enum:"json,ndjson" default:"json" doc:"ndjson: all entries, with their secrets, one a line"`
}

// erasureAnswer is an entry as the API shows it.
type erasureAnswer struct {
	EntityType string        `json:"entity_type"`
	Hash       string        `json:"hash" doc:"HMAC-SHA-256 of the entity's join keys"`
	Secret     string        `json:"secret,omitempty" doc:"The key of the hash; in exports only"`
	CutOff     string        `json:"cut_off"`
	ErasedAt   string        `json:"erased_at" doc:"When it was entered"`
	Done       bool          `json:"done" doc:"false: the run is still at work"`
	Run        int64         `json:"run_id,omitempty" doc:"The run that did it"`
	Rows       int64         `json:"rows"`
	Groups     []ErasedGroup `json:"groups"`
}

// erasuresAnswer documents a page of the ledger.
type erasuresAnswer struct {
	Erasures      []erasureAnswer `json:"erasures"`
	NextPageToken string          `json:"next_page_token,omitempty" doc:"Absent on the last page"`
}

func (s *Store) listErasures(ctx context.Context, in *listErasuresInput) (*huma.StreamResponse, error) {
	catalog := s.definitions.Catalog()
	if in.Format == "ndjson" {
		all, err := s.offline.Erasures(ctx, ErasureRange{})
		if err != nil {
			return nil, unavailable("read the ledger of erased entities", err)
		}
		return httpapi.Streaming(table.NDJSON.ContentType(), func(w io.Writer) error {
			encoder := json.NewEncoder(w)
			for _, e := range all {
				answer := showErasure(catalog, e)
				answer.Secret = hex.EncodeToString(e.Secret[:])
				if err := encoder.Encode(answer); err != nil {
					return err
				}
			}
			return nil
		}), nil
	}
	after, err := in.Last()
	if err != nil {
		return nil, err
	}
	found, err := s.offline.Erasures(ctx, ErasureRange{After: after, Limit: in.Limit + 1})
	if err != nil {
		return nil, unavailable("read the ledger of erased entities", err)
	}
	page := erasuresAnswer{Erasures: []erasureAnswer{}}
	found, page.NextPageToken = httpapi.CutPage(&in.Page, found, func(e Erasure) int64 { return e.Number })
	for _, e := range found {
		page.Erasures = append(page.Erasures, showErasure(catalog, e))
	}
	return httpapi.Streaming(jsonType, func(w io.Writer) error { return json.NewEncoder(w).Encode(page) }), nil
}

func showErasure(catalog *registry.Catalog, e Erasure) erasureAnswer {
	answer := erasureAnswer{
		EntityType: fmt.Sprint(e.EntityType), Hash: hex.EncodeToString(e.Hash[:]), CutOff: string(value.AppendTime(nil, e.CutOff)),
		ErasedAt: string(value.AppendTime(nil, e.At)), Done: e.Done, Run: e.Run, Groups: []ErasedGroup{},
	}
	if entityType, ok := entityTypeByID(catalog, e.EntityType); ok {
		answer.EntityType = entityType.Name
		erased := erasedOf(entityType.Name, groupsOfType(catalog, e.EntityType), e.Rows)
		answer.Rows, answer.Groups = erased.Rows, erased.Groups
	}
	return answer
}

type enterErasuresInput struct {
	httpapi.Payload
	DryRun bool   `query:"dry_run" doc:"Change nothing; answer what is wrong with the entries"`
	Wait   string `query:"wait" doc:"How long to wait for the run to end, such as 30s; at most 10m" example:"30s"`
}

// enteredAnswer is the answer of POST /erasures.
type enteredAnswer struct {
	Received int          `json:"received"`
	Entered  int          `json:"entered" doc:"New, or with a later cut-off"`
	DryRun   bool         `json:"dry_run"`
	Run      *runs.Answer `json:"run,omitempty" doc:"That erases those that are new"`
}

func (s *Store) enterErasures(ctx context.Context, in *enterErasuresInput) (*struct{ Body enteredAnswer }, error) {
	wait, err := runs.ReadWait(in.Wait)
	if err != nil {
		return nil, err
	}
	received, err := s.spool(&in.Payload)
	if err != nil {
		return nil, err
	}
	defer received.Close()
	body, err := received.Bytes()
	if err != nil {
		return nil, err
	}
	erasures, err := readErasures(s.definitions.Catalog(), body, s.config.LoadErrors)
	if err != nil {
		return nil, err
	}
	out := &struct{ Body enteredAnswer }{enteredAnswer{Received: len(erasures), DryRun: in.DryRun}}
	if in.DryRun {
		return out, nil
	}
	entered, run, err := s.EnterErasures(ctx, erasures)
	if err != nil {
		return nil, err
	}
	out.Body.Entered = entered
	if run != 0 {
		found, err := s.await(ctx, run, wait)
		if err != nil {
			return nil, err
		}
		answer := found.Show()
		out.Body.Run = &answer
	}
	return out, nil
}

// readErasures reads entries as they are exported; of what is wrong with them it lists about so much.
func readErasures(catalog *registry.Catalog, body []byte, most int) (erasures []Erasure, err error) {
	problem := fault.New(fault.Unprocessable, "invalid-erasures", "nothing was entered: send the lines of GET /erasures?format=ndjson as they are")
	lines := bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	if len(lines) == 1 && len(lines[0]) == 0 {
		return nil, fault.New(fault.Invalid, "empty-body", "the body is empty: send the lines of GET /erasures?format=ndjson").At("body", "", "is empty")
	}
	for i, line := range lines {
		if len(problem.Violations) >= most {
			break
		}
		place := fmt.Sprintf("lines[%d]", i)
		var shown erasureAnswer
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&shown); err != nil {
			problem.At(place, "", "is no entry of a ledger")
			continue
		}
		e := Erasure{}
		entityType, ok := catalog.EntityType(shown.EntityType)
		if ok {
			e.EntityType = entityType.ID
		} else {
			problem.At(place+".entity_type", shown.EntityType, "is no entity type of this installation: apply its definitions first")
		}
		at, errAt := value.ParseQueryTime(shown.ErasedAt, nil)
		cutOff, errCutOff := value.ParseQueryTime(shown.CutOff, nil)
		if err := errors.Join(decodeSum(&e.Hash, shown.Hash), decodeSum(&e.Secret, shown.Secret), errAt, errCutOff); err != nil {
			problem.At(place, "", "needs the hash and the secret, 64 hexadecimal digits each, erased_at and cut_off")
		}
		e.At, e.CutOff = at, cutOff
		erasures = append(erasures, e)
	}
	if len(problem.Violations) > 0 {
		return nil, problem
	}
	return erasures, nil
}

func decodeSum(sum *[32]byte, text string) error {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return fmt.Errorf("%q is no hash", text)
	}
	copy(sum[:], b)
	return nil
}
