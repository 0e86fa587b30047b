package batch

import (
	"context"
	"encoding/json"

	"featurestore/app/fault"
	"featurestore/app/httpapi"
	"featurestore/modules/registry"
	"featurestore/modules/registry/value"
	"featurestore/modules/validation/rules"
)

// maxDefinition is how many bytes the body of a preview can have.
const maxDefinition = 1 << 20

type previewInput struct {
	httpapi.Payload
	Tick     string `query:"tick" doc:"A tick of the pipeline; a time without an offset is of its tick_zone; left out: the newest one"`
	Entities int    `query:"entities" minimum:"1" maximum:"1000" default:"20" doc:"Of how many entities"`
	Engine   string `query:"engine" doc:"By another engine than the definition says"`
}

// PreviewAnswer is what a pipeline computes at one tick, of some entities.
type PreviewAnswer struct {
	Pipeline string            `json:"pipeline"`
	Target   string            `json:"target"`
	Engine   string            `json:"engine"`
	Tick     string            `json:"tick"`
	Columns  []PreviewColumn   `json:"columns" doc:"The join keys, event_time and the features, in the order of the definition"`
	Rows     []json.RawMessage `json:"rows" doc:"One for each entity; a feature that is not observed is left out"`
	Rules    []rules.Outcome   `json:"rules" doc:"What the enabled rules of the target would say of these rows. One that asks for more than rows (look-ups, earlier evaluations, baselines) ends with error here"`
}

// PreviewColumn is a column of a preview.
type PreviewColumn struct {
	Name      string     `json:"name"`
	ValueType value.Type `json:"value_type"`
}

type previewOutput struct{ Body PreviewAnswer }

func (p *Previews) preview(ctx context.Context, in *previewInput) (*previewOutput, error) {
	body, err := in.Bytes(maxDefinition)
	if err != nil {
		return nil, err
	}
	defined, err := p.Definitions.Define(ctx, kindPipeline, "", body, registry.Options{DryRun: true})
	if err != nil {
		return nil, err
	}
	plan, err := p.Compiler.PlanOf(defined.Catalog, defined.Name)
	if err != nil {
		return nil, err
	}
	tick, err := p.tick(plan, in.Tick)
	if err != nil {
		return nil, err
	}
	engine, err := p.engine(plan, in.Engine)
	if err != nil {
		return nil, err
	}
	rows, err := p.try(ctx, plan, engine, tick, in.Entities)
	if err != nil {
		return nil, err
	}
	answer := PreviewAnswer{Pipeline: plan.Name, Target: plan.Target.Name, Engine: engine.Name(), Tick: string(value.AppendTime(nil, tick)), Rows: rowsAnswer(plan, rows)}
	for _, key := range plan.Keys {
		answer.Columns = append(answer.Columns, PreviewColumn{key.Name, key.ValueType})
	}
	answer.Columns = append(answer.Columns, PreviewColumn{eventTimeName, value.Timestamp})
	for _, f := range plan.Outputs {
		answer.Columns = append(answer.Columns, PreviewColumn{f.Name, f.ValueType})
	}
	answer.Rules = p.Verdicts(rows, p.Clock().UnixMicro())
	return &previewOutput{answer}, nil
}

// tick reads the tick that is asked for; "": the newest one.
func (p *Previews) tick(plan *Plan, text string) (int64, error) {
	if text == "" {
		if tick, found := plan.Ticks.Last(p.Clock().UnixMicro()); found {
			return tick, nil
		}
		return 0, fault.New(fault.Unprocessable, "no-tick", "the pipeline %s had no tick yet", plan.Name)
	}
	tick, err := value.ParseQueryTime(text, plan.Ticks.Zone())
	if err != nil {
		return 0, fault.New(fault.Invalid, "invalid-time", "the tick cannot be read: %v", err).At("query.tick", text, "%v", err)
	}
	if !plan.Ticks.Is(tick) {
		near := ""
		if before, found := plan.Ticks.Before(tick); found {
			near = ", as " + string(value.AppendTime(nil, before)) + " is"
		}
		return 0, fault.New(fault.Unprocessable, "no-tick", "%s is no tick of the pipeline %s%s", value.AppendTime(nil, tick), plan.Name, near).At("query.tick", text, "is no tick%s", near)
	}
	return tick, nil
}
