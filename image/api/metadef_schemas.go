package api

import "maps"

// metadefSchemas are the JSON schemas of metadata definitions. The four parts of
// a namespace are described alike wherever they stand.
func metadefSchemas() map[string]object {
	ns, obj, tag, association, property := namespaceSchema(), objectSchema(), tagSchema(), associationSchema(), propertySchema()
	return map[string]object{
		"namespace": ns, "namespaces": inCollection("namespaces", ns),
		"object": obj, "objects": inCollection("objects", obj),
		"tag": tag, "tags": inCollection("tags", tag),
		"resource_type": association, "resource_types": inCollection("resource_type_associations", association),
		"property": property, "properties": propertiesSchema(property),
	}
}

// inCollection moves an item's definitions up to the collection that lists it.
func inCollection(name string, item object) object {
	item = maps.Clone(item)
	definitions := item["definitions"]
	delete(item, "definitions")
	c := collection(name, item)
	if definitions != nil {
		c["definitions"] = definitions
	}
	return c
}

func described(kind, what string, more ...any) object {
	o := object{"type": kind, "description": what}
	for i := 0; i+1 < len(more); i += 2 {
		o[more[i].(string)] = more[i+1]
	}
	return o
}

func times(of string) object {
	return object{
		"created_at": described("string", "When the "+of+" was made", "readOnly", true, "format", "date-time"),
		"updated_at": described("string", "When the "+of+" last changed", "readOnly", true, "format", "date-time"),
	}
}

func schemaOf(name string, required []string, definitions object, properties ...object) object {
	all := object{}
	for _, p := range properties {
		maps.Copy(all, p)
	}
	o := object{"name": name, "properties": all, "additionalProperties": false, "required": required}
	if definitions != nil {
		o["definitions"] = definitions
	}
	return o
}

func ref(name string) object { return object{"$ref": "#/definitions/" + name} }

func kindOf(kind string) object { return object{"type": kind} }

// definitions are what the schemas refer to; a list of names within a property
// schema alone must not be empty.
func definitions(atLeast int) object {
	names := object{"type": "array", "items": kindOf("string"), "uniqueItems": true}
	if atLeast > 0 {
		names["minItems"] = atLeast
	}
	return object{
		"positiveInteger":         object{"type": "integer", "minimum": 0},
		"positiveIntegerDefault0": object{"allOf": []object{ref("positiveInteger"), {"default": 0}}},
		"stringArray":             names,
	}
}

func withProperty() object {
	d := definitions(0)
	d["property"] = object{"type": "object", "additionalProperties": object{"type": "object", "required": []string{"title", "type"}, "properties": propertyFields()}}
	return d
}

func propertyFields() object {
	types := object{"type": "string", "enum": []any{"array", "boolean", "integer", "number", "object", "string", nil}}
	return object{
		"name": object{"type": "string", "maxLength": maxDefinition}, "title": kindOf("string"), "description": kindOf("string"), "type": types,
		"operators": object{"type": "array", "items": kindOf("string")}, "required": ref("stringArray"),
		"minimum": kindOf("number"), "maximum": kindOf("number"), "maxLength": ref("positiveInteger"), "minLength": ref("positiveIntegerDefault0"),
		"pattern": object{"type": "string", "format": "regex"}, "enum": kindOf("array"), "readonly": kindOf("boolean"), "default": object{},
		"items":    object{"type": "object", "properties": object{"type": types, "enum": kindOf("array")}},
		"maxItems": ref("positiveInteger"), "minItems": ref("positiveIntegerDefault0"),
		"uniqueItems": object{"type": "boolean", "default": false}, "additionalItems": kindOf("boolean"),
	}
}

func generated() object {
	return object{"schema": object{"readOnly": true, "type": "string"}, "self": object{"readOnly": true, "type": "string"}}
}

func namespaceSchema() object {
	list := func(properties object) object {
		return object{"type": "array", "items": object{"type": "object", "properties": properties}}
	}
	return schemaOf("namespace", []string{"namespace"}, withProperty(), times("namespace"), generated(), object{
		"namespace":                  described("string", "Unique name of the namespace", "maxLength", maxDefinition),
		"display_name":               described("string", "Name that people are shown", "maxLength", maxDefinition),
		"description":                described("string", "What the namespace is for", "maxLength", 500),
		"visibility":                 described("string", "Who can see the namespace", "enum", []string{"public", "private"}),
		"protected":                  described("boolean", "Whether deleting is refused"),
		"owner":                      described("string", "Project that owns the namespace", "maxLength", 255),
		"resource_type_associations": list(object{"name": kindOf("string"), "prefix": kindOf("string"), "properties_target": kindOf("string")}),
		"properties":                 ref("property"),
		"objects":                    list(object{"name": kindOf("string"), "description": kindOf("string"), "required": ref("stringArray"), "properties": ref("property")}),
		"tags":                       list(object{"name": kindOf("string")}),
	})
}

func objectSchema() object {
	return schemaOf("object", []string{"name"}, withProperty(), times("object"), generated(), object{
		"name": object{"type": "string", "maxLength": maxDefinition}, "description": kindOf("string"),
		"required": ref("stringArray"), "properties": ref("property"),
	})
}

func tagSchema() object {
	return schemaOf("tag", []string{"name"}, nil, times("tag"), object{"name": object{"type": "string", "maxLength": maxDefinition}})
}

func associationSchema() object {
	return schemaOf("resource_type_association", []string{"name"}, nil, times("association"), object{
		"name":              described("string", "Resource type, named as orchestration names it where it does", "maxLength", maxDefinition),
		"prefix":            described("string", "What goes before the properties' names on that resource type, with its separator", "maxLength", maxDefinition),
		"properties_target": described("string", "Which of several sets of properties of the resource is meant, as image or user metadata of a volume", "maxLength", maxDefinition),
	})
}

func propertySchema() object {
	return schemaOf("property", []string{"type", "title", "name"}, definitions(1), propertyFields())
}

// propertiesSchema lists properties by name, so the name is not among the fields
// that each must have.
func propertiesSchema(property object) object {
	c := inCollection("properties", property)
	item := maps.Clone(property)
	delete(item, "definitions")
	item["required"] = []string{"type", "title"}
	c["properties"].(object)["properties"] = object{"type": "object", "additionalProperties": item}
	return c
}
