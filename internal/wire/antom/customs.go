package antom

func declare(c *call) (step, error)                        { return step{}, nil }
func inquireDeclarations(c *call, v *view) (object, error) { return nil, nil }
