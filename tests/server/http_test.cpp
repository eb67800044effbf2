#include "server/http.hpp"
#include "server/json_text.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

#include <random>

using namespace assay;
using namespace assay::server;

TEST(percent_decoding, UndoesEscapesAndRefusesBrokenOnes) {
  EXPECT_EQ(percent_decode("a%20b+c", true), "a b c");
  EXPECT_EQ(percent_decode("a+c", false), "a+c");
  EXPECT_EQ(percent_decode("%E4%BD%A0", false), "你");
  for (const auto* broken : {"%", "%2", "%zz", "a%0", "%00", "%ff", "%C0%AF", "%ED%A0%80"})
    EXPECT_FALSE(percent_decode(broken, true)) << broken;
}

TEST(query_strings, KeepOrderAndEmptyValues) {
  const auto pairs = parse_query("b=2&a=1&&c&d=&e=x%3Dy");
  ASSERT_TRUE(pairs);
  const std::vector<std::pair<std::string, std::string>> expected{
      {"b", "2"}, {"a", "1"}, {"c", ""}, {"d", ""}, {"e", "x=y"}};
  EXPECT_EQ(*pairs, expected);
  EXPECT_EQ(parse_query("a=%G1").error().code, errc::malformed_input);
}

TEST(loggable_targets, NeverShowTokensHoweverTheyAreWritten) {
  EXPECT_EQ(loggable_target("/ws?token=abc&x=1"), "/ws?token=***&x=1");
  EXPECT_EQ(loggable_target("/ws?a=1&ticket=abc"), "/ws?a=1&ticket=***");
  EXPECT_EQ(loggable_target("/ws?%74oken=abc"), "/ws?%74oken=***");
  EXPECT_EQ(loggable_target("/ws?TOKEN=abc"), "/ws?TOKEN=***");
  EXPECT_EQ(loggable_target("/ws?%zzoken=abc"), "/ws?%zzoken=***");
  EXPECT_EQ(loggable_target("/tasks?limit=1"), "/tasks?limit=1");
  EXPECT_EQ(loggable_target("/a\nb"), "/a?b");
  for (const auto* name :
       {"access_token", "refresh_token", "API_KEY", "api-key", "Password", "client_secret"})
    EXPECT_EQ(loggable_target("/tasks?" + std::string(name) + "=abc&limit=3"),
              "/tasks?" + std::string(name) + "=***&limit=3");
}

TEST(targets, MayBeWholeUrls) {
  const auto parts = [](const std::string& target) {
    request_head head;
    head.target = target;
    split_target(head);
    return std::pair{head.path, head.query};
  };
  using pair = std::pair<std::string, std::string>;
  EXPECT_EQ(parts("/health?x=1"), (pair{"/health", "x=1"}));
  EXPECT_EQ(parts("http://farm.example.org:8000/health?x=1"), (pair{"/health", "x=1"}));
  EXPECT_EQ(parts("HTTPS://farm.example.org"), (pair{"/", ""}));
  EXPECT_EQ(parts("http://farm.example.org?x=1"), (pair{"/", "x=1"}));
  EXPECT_EQ(parts("/go?to=http://elsewhere/x"), (pair{"/go", "to=http://elsewhere/x"}));
  EXPECT_EQ(parts("ftp://farm.example.org/x").first, "ftp://farm.example.org/x") << "not ours: refused later";
}

TEST(headers, AreFoundWithoutCase) {
  request_head head;
  head.headers = {{"X-One", "1"}, {"x-one", "2"}};
  EXPECT_EQ(head.header("x-ONE"), "1");
  EXPECT_EQ(head.header("other"), "");
}

TEST(json_texts, SayWhereTheErrorIs) {
  const auto broken = parse_json("{\n  \"a\": ,\n}");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, errc::malformed_input);
  EXPECT_NE(broken.error().message.find("line 2"), std::string::npos);
  EXPECT_EQ(broken.error().where, "");
}

TEST(json_texts, RefuseANameThatOneObjectHasTwice) {
  EXPECT_EQ(parse_json(R"({"a":[{"b":1},{"b":2,"c":{"d":1,"d":1}}],"b":3})").error().where, "a.c.d");
  EXPECT_TRUE(parse_json(R"({"a":[{"b":1},{"b":2}],"b":{"a":1}})")) << "each object has its own names";
}

TEST(json_texts, RefuseDeepNesting) {
  EXPECT_TRUE(parse_json(std::string(deepest_json, '[') + std::string(deepest_json, ']')));
  EXPECT_FALSE(parse_json(std::string(100'000, '[')));
  EXPECT_FALSE(parse_json(std::string(deepest_json + 1, '[') + std::string(deepest_json + 1, ']')));
  EXPECT_TRUE(parse_json("{\"a\":\"" + std::string(1000, '[') + "\"}")) << "brackets in texts do not nest";
  EXPECT_TRUE(parse_json(R"({"a":"\"[[["})"));
}

TEST(json_texts, RefuseWhatIsNotJson) {
  for (const auto* text :
       {"", "nul", "{'a':1}", "[1,]", "\xff", "{\"a\":1}x", "01", "\"\xed\xa0\x80\"", "1e999", "NaN"})
    EXPECT_FALSE(parse_json(text)) << text;
}

TEST(json_texts, SurviveRandomBytes) {
  std::mt19937 random{7};
  constexpr std::string_view alphabet = "{}[]\",:0123456789.eE+-\\untrfals \x80\xff\n";
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 60, ' ');
    for (auto& c : text)
      c = alphabet[random() % alphabet.size()];
    const auto parsed = parse_json(text);
    if (!parsed) {
      EXPECT_EQ(parsed.error().code, errc::malformed_input);
    }
  }
}
