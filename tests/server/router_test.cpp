#include "server/router.hpp"

#include "server/routes/families.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

using namespace assay;
using namespace assay::server;
using testing::Contains;
using testing::ElementsAre;

namespace {

route simple(http_method method, const char* path) {
  route out;
  out.method = method;
  out.path = path;
  return out;
}

const route_table& small_table() {
  static route_table table;
  if (!table.routes().empty())
    return table;
  table.add(simple(http_method::get, "/"));
  table.add(simple(http_method::get, "/things"));
  table.add(simple(http_method::post, "/things"));
  table.add(simple(http_method::get, "/things/{id}"));
  table.add(simple(http_method::get, "/things/special"));
  table.add(simple(http_method::get, "/things/{id}/parts/{part}"));
  return table;
}

} // namespace

TEST(router, FindsRoutesAndTheirNames) {
  const auto& table = small_table();
  EXPECT_EQ(find_route(table, http_method::get, "/").found->path, "/");
  const auto deep = find_route(table, http_method::get, "/things/a%20b/parts/7");
  ASSERT_TRUE(deep.found);
  EXPECT_EQ(deep.path.at("id"), "a b");
  EXPECT_EQ(deep.path.at("part"), "7");
}

TEST(router, PrefersLiteralSegments) {
  const auto& table = small_table();
  EXPECT_EQ(find_route(table, http_method::get, "/things/special").found->path, "/things/special");
  EXPECT_EQ(find_route(table, http_method::get, "/things/other").found->path, "/things/{id}");
}

TEST(router, AnswersHeadWithGet) {
  const auto& table = small_table();
  EXPECT_TRUE(find_route(table, http_method::head, "/things").found);
}

TEST(router, TellsWrongMethodsFromUnknownPaths) {
  const auto& table = small_table();
  const auto wrong = find_route(table, http_method::erase, "/things");
  EXPECT_FALSE(wrong.found);
  EXPECT_THAT(wrong.allowed, ElementsAre("GET", "HEAD", "POST"));
  for (const auto* path : {"/thing", "/things/", "/things/1/", "//things", "/things/%", "/things/%00",
                           "/things/1/parts", "/../things", "", "things/%ff"}) {
    const auto none = find_route(table, http_method::get, path);
    EXPECT_FALSE(none.found) << path;
    EXPECT_TRUE(none.allowed.empty()) << path;
  }
}

TEST(router, DoesNotTakeAnEncodedSlashForASlash) {
  const auto& table = small_table();
  const auto found = find_route(table, http_method::get, "/things/a%2Fparts%2Fb");
  ASSERT_TRUE(found.found);
  EXPECT_EQ(found.path.at("id"), "a/parts/b");
}

TEST(router, RefusesMistakesInDeclarations) {
  route_table table;
  table.add(simple(http_method::get, "/things"));
  EXPECT_THROW(table.add(simple(http_method::get, "/things")), std::logic_error);
  auto unknown = simple(http_method::get, "/new");
  unknown.response_schema = "Nothing";
  EXPECT_THROW(table.add(std::move(unknown)), std::logic_error);
  auto fallback = simple(http_method::get, "/new");
  fallback.query = {{"n", parameter_type::integer, "", "0", 1, 5, {}, 256, false}};
  EXPECT_THROW(table.add(std::move(fallback)), std::logic_error);
}

TEST(query_parameters, AreCheckedAgainstTheirDeclarations) {
  route one = simple(http_method::get, "/x");
  one.query = {{"n", parameter_type::integer, "", "5", 1, 10, {}, 256, false},
               {"flag", parameter_type::flag, "", "", 0, 0, {}, 256, false},
               {"word", parameter_type::choice, "", "", 0, 0, {"a", "b"}, 256, false},
               {"text", parameter_type::text, "", "", 0, 0, {}, 4, false}};
  const auto good = check_query(one, "flag=YES&word=b&text=%C3%A4%C3%A4");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->at("n"), "5");
  EXPECT_EQ(good->at("flag"), "true");
  const std::pair<const char*, const char*> wrong[] = {
      {"n=0", "n"},
      {"n=11", "n"},
      {"n=", "n"},
      {"n=1.0", "n"},
      {"n=0x5", "n"},
      {"n=%201", "n"},
      {"n=99999999999999999999", "n"},
      {"flag=maybe", "flag"},
      {"word=c", "word"},
      {"text=abcde", "text"},
      {"n=1&n=2", "n"},
      {"nn=1", "nn"},
      {"a=%zz", "query"},
  };
  for (const auto& [query, where] : wrong) {
    const auto outcome = check_query(one, query);
    ASSERT_FALSE(outcome) << query;
    EXPECT_EQ(outcome.error().where, where) << query;
  }
}

TEST(router, SurvivesRandomPathsAndQueries) {
  route_table table;
  add_all_routes(table);
  std::mt19937 random{42};
  const std::vector<std::string> pieces{
      "/",    "evaluations", "tasks", "%2F",      "%",       "..",      "eval_1234567890_abcd1234",
      "{id}", "\xff",        "users", "password", "results", "samples", std::string(600, 'a'),
      "?",    "#",           "%00"};
  const std::vector<http_method> methods{http_method::get, http_method::post, http_method::erase,
                                         http_method::other};
  for (int round = 0; round < 20'000; ++round) {
    std::string path = random() % 4 == 0 ? "" : "/";
    for (auto count = random() % 6; count > 0; --count)
      path += pieces[random() % pieces.size()];
    const auto match = find_route(table, methods[random() % methods.size()], path);
    if (match.found) {
      for (const auto& [name, value] : match.path)
        EXPECT_FALSE(value.empty());
      std::string query;
      for (auto count = random() % 20; count > 0; --count)
        query += "limit=&page%1\xfe+"[random() % 15];
      const auto checked = check_query(*match.found, query);
      if (!checked) {
        EXPECT_FALSE(checked.error().message.empty());
      }
    }
  }
}
