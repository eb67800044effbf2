#include "server/openapi.hpp"

#include "server/routes/families.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

using namespace assay::server;
using nlohmann::json;

namespace {

const route_table& table() {
  static const auto* made = [] {
    auto* fresh = new route_table;
    add_all_routes(*fresh);
    return fresh;
  }();
  return *made;
}

void collect_references(const json& node, std::set<std::string>& out) {
  if (node.is_object())
    for (const auto& [key, value] : node.items()) {
      if (key == "$ref")
        out.insert(value.get<std::string>());
      collect_references(value, out);
    }
  else if (node.is_array())
    for (const auto& value : node)
      collect_references(value, out);
}

} // namespace

TEST(openapi, HasEveryRouteWithAnAnswer) {
  const auto document = openapi_document(table(), "1.2.3");
  EXPECT_EQ(document["openapi"], "3.1.0");
  EXPECT_EQ(document["info"]["version"], "1.2.3");
  size_t operations = 0;
  std::set<std::string> names;
  for (const auto& [path, methods] : document["paths"].items())
    for (const auto& [method, operation] : methods.items()) {
      ++operations;
      EXPECT_TRUE(names.insert(operation.at("operationId")).second) << path << method;
      EXPECT_FALSE(operation.at("responses").empty()) << path;
      EXPECT_FALSE(operation.at("summary").get<std::string>().empty()) << path;
      // Every name in the path is declared.
      size_t in_path = 0;
      for (const auto& parameter : operation["parameters"])
        if (parameter["in"] == "path") {
          ++in_path;
          EXPECT_NE(path.find("{" + parameter["name"].get<std::string>() + "}"), std::string::npos);
        }
      EXPECT_EQ(in_path, static_cast<size_t>(std::count(path.begin(), path.end(), '{')));
    }
  EXPECT_EQ(operations, table().routes().size());
}

TEST(openapi, HasEverySchemaThatIsReferredToAndRefersToEveryone) {
  const auto document = openapi_document(table(), "1");
  std::set<std::string> referred;
  collect_references(document, referred);
  for (const auto& reference : referred) {
    ASSERT_TRUE(reference.starts_with("#/components/schemas/")) << reference;
    EXPECT_TRUE(document["components"]["schemas"].contains(reference.substr(21))) << reference;
  }
  for (const auto& [name, schema] : document["components"]["schemas"].items())
    EXPECT_TRUE(referred.contains("#/components/schemas/" + name)) << name << " is used by nobody";
}

TEST(openapi, SaysHowTokensAndKeysAreSent) {
  const auto document = openapi_document(table(), "1");
  EXPECT_EQ(document["security"], json::parse(R"([{"bearer":[]},{"x_api_key":[]}])"));
  const auto& schemes = document["components"]["securitySchemes"];
  EXPECT_EQ(schemes["bearer"]["scheme"], "bearer");
  EXPECT_EQ(schemes["x_api_key"]["name"], "x-api-key");
}

TEST(openapi, ShowsAnswersAndErrorsInTheFormOfTheirFamily) {
  const auto document = openapi_document(table(), "1");
  const auto& reload = document["paths"]["/api/v1/config"]["post"]["responses"];
  const auto& answer = reload["200"]["content"]["application/json"]["schema"];
  EXPECT_EQ(answer["properties"]["data"]["$ref"], "#/components/schemas/Reloaded");
  EXPECT_EQ(answer["properties"]["success"]["const"], true);
  EXPECT_EQ(reload["422"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/JobsError");
  const auto& tasks = document["paths"]["/tasks"]["get"]["responses"];
  EXPECT_EQ(tasks["200"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/TaskList");
  EXPECT_EQ(tasks["422"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/Error");
}

TEST(openapi, NamesTheAnswersThatDependOnState) {
  const auto paths = openapi_document(table(), "1")["paths"];
  const auto answers = [&](const char* path, const char* method) {
    std::set<std::string> out;
    for (const auto& [status, answer] : paths.at(path).at(method).at("responses").items()) {
      EXPECT_TRUE(answer.contains("content")) << path << status;
      out.insert(status);
    }
    return out;
  };
  for (const auto* verb : {"pause", "resume", "cancel", "retry"})
    EXPECT_TRUE(answers(("/evaluations/{id}/" + std::string(verb)).c_str(), "post").contains("409")) << verb;
  EXPECT_TRUE(answers("/evaluations/{id}", "delete").contains("409"));
  EXPECT_FALSE(answers("/evaluations/{id}", "get").contains("409"));
  EXPECT_TRUE(answers("/results/{id}", "get").contains("409"));
  for (const auto* status : {"200", "201", "409"})
    EXPECT_TRUE(answers("/evaluations", "post").contains(status)) << status;
  for (const auto* status : {"401", "429"})
    EXPECT_TRUE(answers("/auth/login", "post").contains(status)) << status;
  EXPECT_TRUE(answers("/llm_api/batch", "post").contains("202"));
  EXPECT_TRUE(answers("/llm_api/batch/{id}/cancel", "post").contains("409"));
}

TEST(documentation_page, ShowsEveryRouteAndNeedsNothingFromElsewhere) {
  const auto page = make_documentation_page(table(), "1");
  for (const auto& one : table().routes()) {
    EXPECT_NE(page.html.find("<code>" + one->path + "</code>"), std::string::npos) << one->path;
  }
  for (const auto* outside : {"src=", "@import", "<link", "url(", "fetch("})
    EXPECT_EQ(page.html.find(outside), std::string::npos) << outside;
  EXPECT_NE(page.policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.policy.find("unsafe-inline"), std::string::npos);
}
