#include "core/scoring/schema.hpp"

#include "tests/scoring/scoring_support.hpp"

#include <nlohmann/json.hpp>

namespace assay::scoring {
namespace {

using nlohmann::json;

struct schema_case {
  const char* schema;
  const char* value;
  bool follows;
};

class schemas : public testing::TestWithParam<schema_case> {};

TEST_P(schemas, AreChecked) {
  const auto compiled = json_schema::compile(json::parse(GetParam().schema));
  ASSERT_TRUE(compiled.has_value()) << to_string(compiled.error());
  const auto problem = compiled->check(json::parse(GetParam().value));
  EXPECT_EQ(!problem, GetParam().follows)
      << GetParam().schema << " " << GetParam().value << " " << problem.value_or("");
}

INSTANTIATE_TEST_SUITE_P(
    all, schemas,
    testing::Values(
        schema_case{"true", "1", true}, schema_case{"false", "1", false}, schema_case{"{}", "null", true},
        schema_case{R"({"type":"integer"})", "1.0", true}, schema_case{R"({"type":"integer"})", "1.5", false},
        schema_case{R"({"type":["string","null"]})", "null", true},
        schema_case{R"({"type":["string","null"]})", "3", false},
        schema_case{R"({"enum":[1,"a",[2]]})", "[2]", true}, schema_case{R"({"enum":[1]})", "2", false},
        schema_case{R"({"const":{"a":1}})", R"({"a":1})", true}, schema_case{R"({"const":null})", "0", false},
        schema_case{R"({"minimum":2,"maximum":3})", "2", true}, schema_case{R"({"minimum":2})", "1", false},
        schema_case{R"({"exclusiveMinimum":2})", "2", false},
        schema_case{R"({"exclusiveMaximum":2})", "1.9", true},
        schema_case{R"({"multipleOf":0.1})", "0.3", true}, schema_case{R"({"multipleOf":2})", "3", false},
        schema_case{R"({"minLength":2})", "\"北京\"", true},
        schema_case{R"({"maxLength":1})", "\"ab\"", false},
        schema_case{R"({"pattern":"^a+$"})", "\"aaa\"", true},
        schema_case{R"({"pattern":"^a"})", "\"ba\"", false},
        schema_case{R"({"items":{"type":"number"}})", "[1,2]", true},
        schema_case{R"({"items":{"type":"number"}})", "[1,\"2\"]", false},
        schema_case{R"({"items":[{"type":"number"}],"additionalItems":false})", "[1]", true},
        schema_case{R"({"items":[{"type":"number"}],"additionalItems":false})", "[1,2]", false},
        schema_case{R"({"prefixItems":[true],"items":false})", "[1,2]", false},
        schema_case{R"({"additionalItems":false})", "[1]", true},
        schema_case{R"({"minItems":1})", "[]", false}, schema_case{R"({"maxItems":1})", "[1,2]", false},
        schema_case{R"({"uniqueItems":true})", "[1,2,1]", false},
        schema_case{R"({"uniqueItems":true})", "[1,2]", true},
        schema_case{R"({"contains":{"const":1}})", "[2,1]", true},
        schema_case{R"({"contains":{"const":1}})", "[2]", false},
        schema_case{R"({"contains":{"const":1},"maxContains":1})", "[1,1]", false},
        schema_case{R"({"required":["a"]})", R"({"b":1})", false},
        schema_case{R"({"required":["a"]})", "[]", true},
        schema_case{R"({"properties":{"a":{"type":"string"}}})", R"({"a":1})", false},
        schema_case{R"({"properties":{"a":true},"additionalProperties":false})", R"({"a":1,"b":2})", false},
        schema_case{R"({"patternProperties":{"^x":{"type":"number"}},"additionalProperties":false})",
                    R"({"x1":1})", true},
        schema_case{R"({"patternProperties":{"^x":{"type":"number"}}})", R"({"x1":"a"})", false},
        schema_case{R"({"propertyNames":{"maxLength":1}})", R"({"ab":1})", false},
        schema_case{R"({"minProperties":1})", "{}", false},
        schema_case{R"({"dependencies":{"a":["b"]}})", R"({"a":1})", false},
        schema_case{R"({"dependentRequired":{"a":["b"]}})", R"({"a":1,"b":2})", true},
        schema_case{R"({"dependentSchemas":{"a":{"required":["c"]}}})", R"({"a":1})", false},
        schema_case{R"({"allOf":[{"minimum":1},{"maximum":2}]})", "3", false},
        schema_case{R"({"anyOf":[{"type":"string"},{"minimum":5}]})", "6", true},
        schema_case{R"({"anyOf":[{"type":"string"},{"minimum":5}]})", "4", false},
        schema_case{R"({"oneOf":[{"minimum":1},{"minimum":5}]})", "6", false},
        schema_case{R"({"oneOf":[{"minimum":1},{"minimum":5}]})", "3", true},
        schema_case{R"({"not":{"type":"string"}})", "\"a\"", false},
        schema_case{R"({"if":{"type":"string"},"then":{"minLength":2},"else":{"minimum":3}})", "\"a\"",
                    false},
        schema_case{R"({"if":{"type":"string"},"then":{"minLength":2},"else":{"minimum":3}})", "3", true},
        schema_case{R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"number"}}})", "\"a\"", false},
        schema_case{R"({"type":"object","properties":{"next":{"$ref":"#"}}})", R"({"next":{"next":1}})",
                    false}));

TEST(json_schema, RefusesWhatItDoesNotKnowOrCannotRead) {
  for (const char* text :
       {R"({"type":"strin"})", R"j({"pattern":"(?=a)"})j", R"({"$ref":"other.json"})", R"({"$ref":"#/none"})",
        R"({"unevaluatedProperties":false})", R"({"properties":[]})", "3", R"({"required":"a"})",
        R"({"minimum":"1"})", R"({"allOf":{}})", R"({"multipleOf":0})"})
    EXPECT_TRUE(json_schema::compile(json::parse(text)).has_error()) << text;
}

TEST(json_schema, SaysWhereAValueIsWrong) {
  const auto schema =
      json_schema::compile(json::parse(R"({"properties":{"a":{"items":{"type":"number"}}}})"));
  EXPECT_EQ(schema->check(json::parse(R"({"a":[1,"x"]})")), "/a/1: expected number");
}

TEST(json_schema, EndsOnReferencesInACircle) {
  const auto schema = json_schema::compile(json::parse(R"({"$ref":"#"})"));
  EXPECT_TRUE(schema->check(1));
}

TEST(json_schema_scorer, FindsJsonThatFollowsTheSchema) {
  auto d = of_type(scorer_type::json_schema);
  d.schema =
      R"({"type":"object","required":["name"],"properties":{"name":{"type":"string"},"age":{"type":"integer"}}})";
  EXPECT_EQ(judged(d, "Here:\n```json\n{\"name\": \"Ada\", \"age\": 36}\n```", ""), 1);
  EXPECT_EQ(judged(d, "first {\"age\": 3} then {\"name\": \"Ada\"}", ""), 1);
  EXPECT_EQ(judged(d, "{\"name\": 3}", ""), 0);
  EXPECT_EQ(extracted(d, "{\"name\": 3}", ""), "/name: expected string");
  EXPECT_EQ(judged(d, "no JSON", ""), 0);
  d.schema.clear();
  EXPECT_EQ(judged(d, "[1]", R"({"type":"array"})"), 1);
  EXPECT_TRUE(make_scorer(d).value()->score("[1]", "no schema").problem);
  d.schema = "{";
  EXPECT_EQ(make_scorer(d).error().where, "schema");
}

TEST(is_json, LooksAtTheWholeAnswerAndContainsJsonAtItsParts) {
  const auto whole = of_type(scorer_type::is_json);
  EXPECT_EQ(judged(whole, " {\"a\": 1}\n", ""), 1);
  EXPECT_EQ(judged(whole, "so: {\"a\": 1}", ""), 0);
  const auto part = of_type(scorer_type::contains_json);
  EXPECT_EQ(judged(part, "so: {\"a\": 1}", ""), 1);
  EXPECT_EQ(judged(part, "so: {a: 1}", ""), 0);
}

} // namespace
} // namespace assay::scoring
