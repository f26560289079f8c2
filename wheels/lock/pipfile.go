package lock

func (r *reader) pipfile(d *document, root *node) {}
