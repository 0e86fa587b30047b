// Package web is the admin page: what exists, whether it is fresh and healthy, what ran and what failed, and the actions on it.
//
// It is a client of the public API and of nothing else: every page reads, and every action acts, by calls that go to the API's own handler in
// this process, so that what a person sees and does here is what a program would get and do. Each page shows the calls it is made of. It owns
// no data.
//
// Pages are rendered on the server (html/template) and work without JavaScript for reading; htmx puts answers of actions and progress into the
// page. All styles and scripts are embedded, and the content security policy allows nothing else. Whether a caller may do an action is asked in
// one place, Web.refusal.
package web
