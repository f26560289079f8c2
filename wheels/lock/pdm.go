package lock

func (r *reader) pdm(d *document, root *node) {}
