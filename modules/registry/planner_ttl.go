package registry

// expire gives a group that says nothing of its TTL the one of registry.ttl or, where its observations are kept for less, their retention.
// An event group has none.
func (p *planner) expire(e *edit) {
	if p.ttl == 0 || e.text("kind") == string(Events) {
		return
	}
	ttl := p.ttl
	if retention, err := ParseDuration(e.text("retention")); err == nil {
		ttl = min(ttl, retention)
	}
	e.is["ttl"] = QuoteText(FormatDuration(ttl))
}

// lasting is how an export says that a group has no TTL, where leaving that out would give it one.
func (r *Registry) lasting(g *Group) exported {
	if r.config.TTL == 0 || g.TTL != 0 || g.Kind == Events {
		return nil
	}
	return exported{{"ttl", QuoteText("none")}}
}
