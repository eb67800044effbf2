#include "server/auth/api_keys.hpp"

#include "tests/server/auth_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

using namespace assay;
using namespace assay::server;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

namespace {

constexpr const char* some_id = "0123456789ab";

class api_key_test : public test::auth_test {
protected:
  new_api_key make(const char* owner, const json& fields = json::object()) {
    api_key_record wanted;
    wanted.owner = user_id{owner};
    wanted.name = "laptop";
    const auto read = read_api_key_fields(fields, wall, wanted);
    EXPECT_TRUE(read) << read.error().message;
    auto made = wait(auth->keys().create(std::move(wanted)));
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }

  auto identify(const new_api_key& made, const char* peer = "10.0.0.1") {
    return auth->identify(made.key.reveal(), peer);
  }

  fault refusal(const std::string& key) {
    const auto who = auth->identify(key, "10.0.0.1");
    EXPECT_FALSE(who);
    return who ? fault{} : who.error().what;
  }

  std::string& row(const new_api_key& made) { return documents->rows.at({api_keys_table, made.record.id}); }
};

} // namespace

// -- the text ---------------------------------------------------------------------------------------------

TEST(api_key_text, HasItsIdAndASecretThatIsNeverTheSame) {
  const auto first = make_api_key(some_id);
  const auto second = make_api_key(some_id);
  EXPECT_TRUE(first.reveal().starts_with("sk-assay-0123456789ab-")) << first.reveal();
  EXPECT_NE(first, second);
  EXPECT_EQ(api_key_id(first.reveal()), some_id);
  EXPECT_TRUE(looks_like_api_key(first.reveal()));
  EXPECT_NE(api_key_digest(first.reveal()), api_key_digest(second.reveal()));
  EXPECT_EQ(api_key_digest(first.reveal()).find(first.reveal().substr(22)), std::string::npos);
}

TEST(api_key_text, TellsTyposApart) {
  const auto key = make_api_key(some_id).reveal();
  for (size_t i = 0; i < key.size(); ++i) {
    auto mistyped = key;
    mistyped[i] = mistyped[i] == 'b' ? 'c' : 'b';
    if (mistyped != key) {
      EXPECT_FALSE(api_key_id(mistyped)) << i;
    }
  }
  auto swapped = key;
  std::swap(swapped[30], swapped[31]);
  if (swapped != key) {
    EXPECT_FALSE(api_key_id(swapped));
  }
  for (const auto& wrong : {key.substr(0, key.size() - 1), key + "a", key + " ", std::string("sk-assay-"),
                            std::string("sk-assay-0123456789ab-"), std::string{}, " " + key})
    EXPECT_FALSE(api_key_id(wrong)) << wrong.size();
}

TEST(api_key_text, IsTakenOutOfWhateverIsTold) {
  const auto key = make_api_key(some_id).reveal();
  EXPECT_EQ(without_api_keys("/auth/keys/" + key + "/x"), "/auth/keys/sk-assay-0123456789ab-***/x");
  EXPECT_EQ(without_api_keys(key + " and " + key), "sk-assay-0123456789ab-*** and sk-assay-0123456789ab-***");
  EXPECT_EQ(without_api_keys(key.substr(0, 40)), "sk-assay-0123456789ab-***") << "half a key is one too";
  EXPECT_EQ(without_api_keys("sk-assay-" + key.substr(22)), "sk-assay-***") << "the id was lost";
  EXPECT_EQ(without_api_keys("sk-assay-0123456789ab"), "sk-assay-0123456789ab") << "an id is no secret";
  EXPECT_EQ(without_api_keys("nothing of that kind"), "nothing of that kind");
  EXPECT_EQ(without_api_keys("sk-assay-"), "sk-assay-");
}

// -- the record -------------------------------------------------------------------------------------------

TEST(api_key_record, ComesBackFromItsText) {
  api_key_record key;
  key.id = some_id;
  key.name = "nächtlich";
  key.owner = user_id{"ada"};
  key.owner_since = wall_time{milliseconds{1'234}};
  key.digest = "d";
  key.permissions = permission_set{permission::evaluation_read, permission::tasks_read};
  key.created_at = wall_time{milliseconds{5'678}};
  key.last_used_at = wall_time{milliseconds{6'000}};
  key.expires_at = wall_time{milliseconds{7'000}};
  key.requests_per_minute = 60;
  key.tokens_per_minute = 1'000;
  key.budget_per_day = money{1'500'000'001};
  key.disabled = true;
  const auto read = api_key_from_text(to_text(key));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(to_text(*read), to_text(key));
  EXPECT_EQ(read->budget_per_day, key.budget_per_day);
  EXPECT_EQ(read->permissions, key.permissions);
  EXPECT_EQ(read->expires_at, key.expires_at);

  const auto bare = api_key_from_text(to_text(api_key_record{}));
  ASSERT_TRUE(bare);
  EXPECT_FALSE(bare->permissions || bare->last_used_at || bare->expires_at || bare->budget_per_day);
  for (const auto* damaged : {"", "{}", "[]", "null", R"({"id":1})"})
    EXPECT_EQ(api_key_from_text(damaged).error().code, errc::store_unreadable) << damaged;
}

TEST(api_key_record, ShowsNoDigestAndNamesWhatIsMissingWithNull) {
  api_key_record key;
  key.id = some_id;
  key.digest = "of the key";
  const auto shown = api_key_to_json(key, wall_time{seconds{10}});
  EXPECT_EQ(shown["prefix"], "sk-assay-0123456789ab");
  EXPECT_EQ(shown.dump().find("of the key"), std::string::npos);
  for (const auto* field : {"permissions", "last_used_at", "expires_at", "requests_per_minute",
                            "tokens_per_minute", "budget_per_day"})
    EXPECT_TRUE(shown.at(field).is_null()) << field;
  EXPECT_EQ(shown["expired"], false);
  key.expires_at = wall_time{seconds{10}};
  EXPECT_EQ(api_key_to_json(key, wall_time{seconds{10}})["expired"], true);
}

TEST(api_key_record, TakesTheFieldsOfARequest) {
  const wall_time now{seconds{1'704'110'400}};
  api_key_record key;
  ASSERT_TRUE(read_api_key_fields({{"name", "laptop"},
                                   {"permissions", {"tasks:read"}},
                                   {"expires_at", "2030-01-01T00:00:00Z"},
                                   {"requests_per_minute", 5.0},
                                   {"tokens_per_minute", 7},
                                   {"budget_per_day", 0.25},
                                   {"disabled", true}},
                                  now, key));
  EXPECT_EQ(key.name, "laptop");
  EXPECT_EQ(key.permissions, permission_set{permission::tasks_read});
  EXPECT_EQ(key.requests_per_minute, 5U);
  EXPECT_EQ(key.tokens_per_minute, 7U);
  EXPECT_EQ(key.budget_per_day, from_dollars(0.25));
  EXPECT_TRUE(key.disabled);
  ASSERT_TRUE(read_api_key_fields(
      {{"requests_per_minute", nullptr}, {"budget_per_day", nullptr}, {"expires_at", nullptr}}, now, key));
  EXPECT_EQ(key.requests_per_minute, 0U);
  EXPECT_FALSE(key.budget_per_day || key.expires_at);
  EXPECT_EQ(key.tokens_per_minute, 7U) << "what is absent stays";

  const std::vector<std::pair<json, std::string>> wrong{
      {{{"name", ""}}, "name"},
      {{{"name", "two\nlines"}}, "name"},
      {{{"name", "\xff"}}, "name"},
      {{{"name", std::string(65, 'a')}}, "name"},
      {{{"name", make_api_key(some_id).reveal().substr(0, 60)}}, "name"},
      {{{"permissions", json::array()}}, "permissions"},
      {{{"permissions", {"tasks:read", "everything"}}}, "permissions[1]"},
      {{{"permissions", {1}}}, "permissions[0]"},
      {{{"expires_at", "tomorrow"}}, "expires_at"},
      {{{"expires_at", "2020-01-01T00:00:00Z"}}, "expires_at"},
      {{{"requests_per_minute", 0}}, "requests_per_minute"},
      {{{"requests_per_minute", 1.5}}, "requests_per_minute"},
      {{{"tokens_per_minute", -1}}, "tokens_per_minute"},
      {{{"budget_per_day", -0.1}}, "budget_per_day"},
      {{{"budget_per_day", 1e12}}, "budget_per_day"},
      {{{"disabled", "yes"}}, "disabled"}};
  for (const auto& [fields, where] : wrong) {
    const auto read = read_api_key_fields(fields, now, key);
    ASSERT_FALSE(read) << where;
    EXPECT_EQ(read.error().where, where);
    EXPECT_EQ(read.error().code, errc::invalid_argument);
  }
}

// -- callers ----------------------------------------------------------------------------------------------

TEST_F(api_key_test, SpeaksForItsUser) {
  add_user("ada", role::evaluator);
  const auto made = make("ada", {{"budget_per_day", 2}});
  const auto who = identify(made);
  ASSERT_TRUE(who) << who.error().what.message;
  EXPECT_EQ(who->id, user_id{"ada"});
  EXPECT_EQ(who->permissions, permissions_of({role::evaluator}));
  EXPECT_EQ(who->roles, std::vector<role>{role::evaluator});
  EXPECT_EQ(who->api_key, made.record.id);
  EXPECT_EQ(who->key_budget, from_dollars(2));
  EXPECT_EQ(who->session, "");
  EXPECT_FALSE(who->anonymous);
  EXPECT_TRUE(auth->still_valid(*who));
  EXPECT_FALSE(identify(make("ada"))->key_budget);
  const auto session = login("ada");
  EXPECT_EQ(auth->identify(session->access_token, "10.0.0.1")->api_key, "") << "tokens are taken as before";
}

TEST_F(api_key_test, KeepsNoSecretAndIsGoodAfterARestart) {
  add_user("ada", role::viewer);
  const auto made = make("ada");
  ASSERT_TRUE(identify(made));
  ASSERT_TRUE(wait(auth->keys().write_last_uses()));
  const auto secret_part = made.key.reveal().substr(22);
  for (const auto& [key, value] : documents->rows) {
    EXPECT_THAT(value, Not(HasSubstr(secret_part)));
    EXPECT_THAT(value, Not(HasSubstr(secret_part.substr(0, 40)))) << "also without the check digits";
    EXPECT_THAT(key.second, Not(HasSubstr(secret_part)));
  }
  start();
  EXPECT_TRUE(identify(made));
}

TEST_F(api_key_test, MayDoWhatBothItAndItsUserMay) {
  add_user("root", role::admin);
  add_user("ada", role::evaluator);
  const auto narrow = make("ada", {{"permissions", {"evaluation:read", "evaluation:create"}}});
  EXPECT_EQ(identify(narrow)->permissions,
            (permission_set{permission::evaluation_read, permission::evaluation_create}));
  const auto wide = make("ada");
  ASSERT_TRUE(wait(auth->users().change(user_id{"ada"}, std::vector<role>{role::viewer}, std::nullopt)));
  EXPECT_EQ(identify(narrow)->permissions, permission_set{permission::evaluation_read});
  EXPECT_EQ(identify(wide)->permissions, permissions_of({role::viewer})) << "it follows its user";

  api_key_record greedy;
  greedy.owner = user_id{"ada"};
  greedy.permissions = permission_set{permission::tasks_read, permission::users_manage};
  const auto refused = wait(auth->keys().create(greedy));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().where, "permissions");
  EXPECT_THAT(refused.error().message, HasSubstr("users:manage"));
}

TEST_F(api_key_test, IsNoAdministratorWithoutAllOfTheRolesPermissions) {
  add_user("root", role::admin);
  EXPECT_TRUE(identify(make("root"))->is_admin());
  const auto who = identify(make("root", {{"permissions", {"evaluation:manage", "evaluation:read"}}}));
  EXPECT_FALSE(who->is_admin());
  EXPECT_TRUE(who->may_change_runs_of(user_id{"root"}));
  EXPECT_FALSE(who->may_change_runs_of(user_id{"ada"}));
}

TEST_F(api_key_test, IsRefusedWithTheReasonAndWithoutBeingTold) {
  add_user("ada", role::viewer);
  const auto made = make("ada", {{"expires_at", "2024-01-01T13:00:00Z"}});
  const auto& key = made.key.reveal();
  const auto check = [&](const std::string& sent, const char* reason) {
    const auto what = refusal(sent);
    EXPECT_EQ(what.code, errc::unauthenticated);
    EXPECT_THAT(what.message, HasSubstr(reason));
    EXPECT_THAT(to_string(what), Not(HasSubstr(sent)));
    EXPECT_THAT(to_string(what), Not(HasSubstr(made.record.id)));
  };
  check(key.substr(0, 50), "mistyped");
  check(make_api_key(some_id).reveal(), "unknown");
  check(make_api_key(made.record.id).reveal(), "unknown");
  ASSERT_TRUE(identify(made));

  const auto disable = [](bool value) {
    return [value](api_key_record& record) -> result<void> {
      record.disabled = value;
      return {};
    };
  };
  ASSERT_TRUE(wait(auth->keys().change(made.record.id, disable(true))));
  check(key, "disabled");
  ASSERT_TRUE(wait(auth->keys().change(made.record.id, disable(false))));
  ASSERT_TRUE(identify(made));
  wall += seconds{3600};
  check(key, "expired");
  ASSERT_TRUE(wait(auth->keys().remove(made.record.id)));
  check(key, "removed");
  EXPECT_EQ(wait(auth->keys().remove(made.record.id)).error().code, errc::not_found);
  EXPECT_EQ(wait(auth->keys().change(made.record.id, disable(true))).error().code, errc::not_found);
}

TEST_F(api_key_test, GoesWithItsUser) {
  add_user("root", role::admin);
  add_user("ada", role::evaluator);
  const auto made = make("ada");
  const auto who = identify(made);
  ASSERT_TRUE(who);
  ASSERT_TRUE(wait(auth->users().change(user_id{"ada"}, std::nullopt, true)));
  EXPECT_THAT(refusal(made.key.reveal()).message, HasSubstr("user"));
  EXPECT_FALSE(auth->still_valid(*who));
  ASSERT_TRUE(wait(auth->users().change(user_id{"ada"}, std::nullopt, false)));
  EXPECT_TRUE(identify(made)) << "the user may work again, and so may the key";

  const auto kept = row(made);
  ASSERT_TRUE(wait(auth->remove_user(user_id{"ada"})));
  EXPECT_FALSE(documents->rows.contains({api_keys_table, made.record.id}));
  EXPECT_THAT(refusal(made.key.reveal()).message, HasSubstr("removed"));
  EXPECT_FALSE(auth->still_valid(*who));
  wall += seconds{1};
  add_user("ada", role::admin);
  documents->rows[{api_keys_table, made.record.id}] = kept;
  EXPECT_THAT(refusal(made.key.reveal()).message, HasSubstr("user")) << "a namesake does not inherit keys";
  EXPECT_TRUE(wait(auth->remove_user(user_id{"root"})));
  EXPECT_EQ(wait(auth->remove_user(user_id{"ada"})).error().code, errc::conflict) << "the last administrator";
  EXPECT_TRUE(documents->rows.contains({api_keys_table, made.record.id})) << "keys stay when the user stays";
}

TEST_F(api_key_test, LimitsGuessesByAddressAndLetsKeysInUseThrough) {
  add_user("ada", role::viewer);
  const auto in_use = make("ada");
  const auto fresh = make("ada");
  ASSERT_TRUE(identify(in_use, "10.0.0.9"));
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(auth->identify(make_api_key(some_id).reveal(), "10.0.0.9").error().what.code,
              errc::unauthenticated);
  const auto refused = auth->identify(make_api_key(some_id).reveal(), "10.0.0.9");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what.code, errc::rate_limited);
  EXPECT_EQ(refused.error().retry_after, seconds{6});
  EXPECT_FALSE(identify(fresh, "10.0.0.9")) << "nobody learns whether this one would have been good";
  EXPECT_TRUE(identify(fresh, "10.0.0.8"));
  EXPECT_TRUE(identify(in_use, "10.0.0.9"));
  EXPECT_TRUE(login("ada", "long enough", "10.0.0.9")) << "people are not locked out by programs";
  steady += seconds{6};
  EXPECT_EQ(auth->identify(make_api_key(some_id).reveal(), "10.0.0.9").error().what.code,
            errc::unauthenticated);
}

// -- limits -----------------------------------------------------------------------------------------------

TEST_F(api_key_test, WaitsWhenItHasSentItsRequestsOfAMinute) {
  add_user("ada", role::viewer);
  const auto made = make("ada", {{"requests_per_minute", 3}});
  const auto send = [&] {
    const auto who = identify(made);
    return auth->take_request(*who);
  };
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(send()) << i;
  const auto waiting = send();
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->what.code, errc::rate_limited);
  EXPECT_THAT(waiting->what.message, HasSubstr("3 requests a minute"));
  EXPECT_EQ(waiting->retry_after, seconds{20});
  steady += seconds{20};
  EXPECT_FALSE(send());
  EXPECT_TRUE(send());
  const auto lift = [](api_key_record& record) -> result<void> {
    record.requests_per_minute = 0;
    return {};
  };
  ASSERT_TRUE(wait(auth->keys().change(made.record.id, lift)));
  EXPECT_FALSE(send()) << "the new limit holds at once";
  const auto other = identify(make("ada"));
  for (int i = 0; i < 100; ++i)
    EXPECT_FALSE(auth->take_request(*other)) << "no limit was set";
  EXPECT_FALSE(auth->take_request(principal{}));
}

TEST_F(api_key_test, WaitsUntilItsTokensFitAgain) {
  add_user("ada", role::viewer);
  const auto made = make("ada", {{"tokens_per_minute", 600}});
  const auto who = identify(made);
  ASSERT_TRUE(who);
  EXPECT_FALSE(auth->take_request(*who));
  auth->keys().spend_tokens(made.record.id, 700);
  const auto waiting = auth->take_request(*who);
  ASSERT_TRUE(waiting);
  EXPECT_THAT(waiting->what.message, HasSubstr("600 tokens a minute"));
  EXPECT_EQ(waiting->retry_after, seconds{11}) << "100 tokens too many, and one for the next";
  auth->keys().spend_tokens(made.record.id, -200);
  EXPECT_FALSE(auth->take_request(*who)) << "the estimate was too high";
  auth->keys().spend_tokens("0123456789ab", 5);
}

// -- keeping keys -----------------------------------------------------------------------------------------

TEST_F(api_key_test, RemembersItsLastUseAndWritesItOnce) {
  add_user("ada", role::viewer);
  const auto made = make("ada");
  EXPECT_FALSE((*auth->keys().find(made.record.id))->last_used_at);
  ASSERT_TRUE(identify(made));
  const auto before = row(made);
  EXPECT_EQ((*auth->keys().find(made.record.id))->last_used_at, wall) << "shown at once";
  ASSERT_TRUE(wait(auth->keys().write_last_uses()));
  const auto written = row(made);
  EXPECT_NE(written, before);
  EXPECT_EQ(api_key_from_text(written)->last_used_at, wall);
  documents->before_write = [] { ADD_FAILURE() << "nothing has happened since"; };
  ASSERT_TRUE(wait(auth->keys().write_last_uses()));
  documents->before_write = nullptr;

  wall += seconds{60};
  ASSERT_TRUE(identify(made));
  documents->before_write = [&] { documents->rows.erase({api_keys_table, made.record.id}); };
  ASSERT_TRUE(wait(auth->keys().write_last_uses()));
  EXPECT_FALSE(documents->rows.contains({api_keys_table, made.record.id})) << "a removed key stays removed";
}

TEST_F(api_key_test, IsChangedThoughItsLastUseIsWrittenMeanwhile) {
  add_user("ada", role::viewer);
  const auto made = make("ada");
  ASSERT_TRUE(identify(made));
  documents->before_write = [&] {
    auto record = *api_key_from_text(row(made));
    record.last_used_at = wall;
    row(made) = to_text(record);
  };
  const auto rename = [](api_key_record& record) -> result<void> {
    record.name = "desk";
    return {};
  };
  ASSERT_TRUE(wait(auth->keys().change(made.record.id, rename)));
  EXPECT_EQ(api_key_from_text(row(made))->name, "desk");
  EXPECT_EQ(api_key_from_text(row(made))->last_used_at, wall);
}

TEST_F(api_key_test, IsListedByUserAndLimitedInNumber) {
  add_user("ada", role::viewer);
  add_user("bob", role::viewer);
  make("bob");
  for (size_t i = 0; i < most_api_keys_of_a_user; ++i)
    make("ada");
  api_key_record wanted;
  wanted.owner = user_id{"ada"};
  EXPECT_EQ(wait(auth->keys().create(wanted)).error().code, errc::conflict);
  EXPECT_EQ(wait(auth->keys().list(user_id{"ada"}))->size(), most_api_keys_of_a_user);
  EXPECT_EQ(wait(auth->keys().list(user_id{"bob"}))->size(), 1U);
  EXPECT_EQ(wait(auth->keys().list(std::nullopt))->size(), most_api_keys_of_a_user + 1);
  wanted.owner = user_id{"nobody"};
  EXPECT_EQ(wait(auth->keys().create(wanted)).error().code, errc::not_found);
}

TEST_F(api_key_test, TellsWhenItEndsAndEndsNobodysSession) {
  add_user("ada", role::viewer);
  std::vector<std::string> over;
  auth->keys().on_key_end = [&](const std::string& id) { over.push_back(id); };
  const auto made = make("ada");
  const auto who = identify(made);
  ASSERT_TRUE(who);
  for (const bool everywhere : {false, true})
    EXPECT_EQ(wait(auth->logout(*who, everywhere)).error().code, errc::forbidden);
  EXPECT_TRUE(over.empty());
  ASSERT_TRUE(wait(auth->keys().remove(made.record.id)));
  EXPECT_EQ(over, std::vector<std::string>{made.record.id});
  EXPECT_TRUE(ended.empty());
}
