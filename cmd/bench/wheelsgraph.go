package main

// graph is what fromager builds, its graph.json: nodes by "six==1.17.0", and one for what
// is wanted by "". No node needs another, for all that they need is there.
type graph map[string]node

type node struct {
	Name    string `json:"canonicalized_name"`
	Version string `json:"version"`
	URL     string `json:"download_url"`
	Built   bool   `json:"pre_built"`
	Edges   []edge `json:"edges"`
}

type edge struct {
	Key  string `json:"key"`
	Type string `json:"req_type"`
	Req  string `json:"req"`
}

func newGraph() graph { return graph{"": {Version: "0", Edges: []edge{}}} }

func (g graph) add(name, version, url string) {
	key := name + "==" + version
	g[key] = node{Name: name, Version: version, URL: url, Edges: []edge{}}
	all := g[""]
	all.Edges = append(all.Edges, edge{key, "toplevel", key})
	g[""] = all
}
