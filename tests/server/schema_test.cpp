#include "server/schema.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

using namespace assay;
using namespace assay::server;
using nlohmann::json;

namespace {

struct case_of {
  const char* value;
  const char* where; ///< Empty when the value is good.
};

void check_all(const schema_set& schemas, const char* name, std::initializer_list<case_of> cases) {
  for (const auto& [value, where] : cases) {
    const auto outcome = schemas.check(name, json::parse(value));
    if (*where == '\0') {
      EXPECT_TRUE(outcome) << value << ": " << (outcome ? "" : outcome.error().message);
    } else {
      ASSERT_FALSE(outcome) << value;
      EXPECT_EQ(outcome.error().where, where) << value;
      EXPECT_EQ(outcome.error().code, errc::invalid_argument);
    }
  }
}

} // namespace

TEST(schemas, NameTheFieldThatIsWrong) {
  schema_set schemas;
  schemas.add(
      "Inner",
      R"({"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"],"additionalProperties":false})");
  schemas.add("Outer", R"({"type":"object","additionalProperties":false,"required":["name"],"properties":{
    "name":{"type":"string","minLength":1,"maxLength":5},"list":{"type":"array","minItems":1,"maxItems":2,"items":{"$ref":"#/components/schemas/Inner"}},
    "kind":{"enum":["a","b"]},"maybe":{"type":["number","null"],"exclusiveMinimum":0,"exclusiveMaximum":1}}})");
  check_all(schemas, "Outer",
            {{R"({"name":"x"})", ""},
             {R"({})", "name"},
             {R"([])", "body"},
             {R"({"name":5})", "name"},
             {R"({"name":""})", "name"},
             {R"({"name":"abcdef"})", "name"},
             {R"({"name":"x","nmae":1})", "nmae"},
             {R"({"name":"x","list":[]})", "list"},
             {R"({"name":"x","list":[{"n":1},{"n":1},{"n":1}]})", "list"},
             {R"({"name":"x","list":[{"n":1},{"n":10}]})", "list[1].n"},
             {R"({"name":"x","list":[{}]})", "list[0].n"},
             {R"({"name":"x","list":[{"n":1.5}]})", "list[0].n"},
             {R"({"name":"x","list":[{"n":2.0}]})", ""},
             {R"({"name":"x","kind":"c"})", "kind"},
             {R"({"name":"x","maybe":null})", ""},
             {R"({"name":"x","maybe":0})", "maybe"},
             {R"({"name":"x","maybe":1})", "maybe"},
             {R"({"name":"x","maybe":0.5})", ""}});
}

TEST(schemas, SuggestTheFieldThatWasMeant) {
  schema_set schemas;
  schemas.add(
      "A", R"({"type":"object","additionalProperties":false,"properties":{"username":{"type":"string"}}})");
  const auto outcome = schemas.check("A", json{{"usrename", "x"}});
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().hint, "did you mean 'username'?");
}

TEST(schemas, CheckAlternatives) {
  schema_set schemas;
  schemas.add("A", R"({"anyOf":[{"type":"string"},{"type":"integer","minimum":3}]})");
  EXPECT_TRUE(schemas.check("A", json("x")));
  EXPECT_TRUE(schemas.check("A", json(3)));
  EXPECT_FALSE(schemas.check("A", json(2)));
}

TEST(schemas, RefuseWordsThatWouldNotBeChecked) {
  schema_set schemas;
  EXPECT_THROW(schemas.add("A", R"({"type":"string","pattern":"x"})"), std::logic_error);
  EXPECT_THROW(schemas.add("B", R"({"properties":{"x":{"uniqueItems":true}}})"), std::logic_error);
  schemas.add("C", "{}");
  EXPECT_THROW(schemas.add("C", "{}"), std::logic_error);
}
