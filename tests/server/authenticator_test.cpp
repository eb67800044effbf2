#include "tests/server/auth_fixture.hpp"

using namespace assay;
using namespace assay::server;

using authenticator_test = test::auth_test;

TEST_F(authenticator_test, CreatesTheFirstAdminOnce) {
  const auto drawn = wait(auth->users().ensure_admin(secret{}));
  ASSERT_TRUE(drawn);
  ASSERT_TRUE(*drawn);
  EXPECT_GE((*drawn)->reveal().size(), 20u);
  EXPECT_TRUE(login("admin", (*drawn)->reveal().c_str()));
  const auto again = wait(auth->users().ensure_admin(secret{"another one"}));
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again);
  EXPECT_FALSE(login("admin", "another one"));
}

TEST_F(authenticator_test, TakesTheGivenAdminPassword) {
  EXPECT_FALSE(*wait(auth->users().ensure_admin(secret{"admin123"})));
  const auto issued = login("admin", "admin123");
  ASSERT_TRUE(issued);
  EXPECT_EQ(issued->expires_in, seconds{3600});
  EXPECT_TRUE(*wait(auth->users().admin_has_password(secret{"admin123"})));
  EXPECT_FALSE(*wait(auth->users().admin_has_password(secret{"admin124"})));
  const auto who = auth->verify(issued->access_token);
  ASSERT_TRUE(who);
  EXPECT_TRUE(who->is_admin());
  EXPECT_TRUE(who->permissions.has(permission::users_manage));
}

TEST_F(authenticator_test, KeepsNoPasswordAndNoToken) {
  add_user("ada", role::viewer, "plain password");
  const auto issued = login("ada", "plain password");
  ASSERT_TRUE(issued);
  for (const auto& [key, value] : documents->rows)
    for (const auto& text :
         {std::string{"plain password"}, issued->refresh_token.substr(33), issued->access_token}) {
      EXPECT_EQ(value.find(text), std::string::npos);
      EXPECT_EQ(key.second.find(text), std::string::npos);
    }
}

TEST_F(authenticator_test, SaysTheSameOfWrongNamesAndWrongPasswords) {
  add_user("ada", role::viewer);
  const auto wrong_name = login("nobody");
  const auto wrong_password = login("ada", "wrong one");
  ASSERT_FALSE(wrong_name);
  ASSERT_FALSE(wrong_password);
  EXPECT_EQ(wrong_name.error().what, wrong_password.error().what);
  EXPECT_EQ(wrong_name.error().what.code, errc::unauthenticated);
  ASSERT_FALSE(login("../users"));
}

TEST_F(authenticator_test, LimitsAttemptsByUserAndAddress) {
  add_user("ada", role::viewer);
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(login("ada", "wrong one").error().what.code, errc::unauthenticated);
  const auto refused = login("ada");
  ASSERT_FALSE(refused) << "even with the right password";
  EXPECT_EQ(refused.error().what.code, errc::rate_limited);
  EXPECT_EQ(refused.error().retry_after, seconds{30});
  steady += seconds{31};
  EXPECT_TRUE(login("ada"));
  for (int i = 0; i < 40; ++i)
    login(("user" + std::to_string(i)).c_str(), "wrong one", "10.0.0.1");
  EXPECT_EQ(login("ada", "long enough", "10.0.0.1").error().what.code, errc::rate_limited);
  EXPECT_TRUE(login("ada", "long enough", "10.0.0.2"));
}

TEST_F(authenticator_test, RotatesRefreshTokens) {
  add_user("ada", role::evaluator);
  const auto first = login("ada");
  ASSERT_TRUE(first);
  const auto second = wait(auth->refresh(first->refresh_token));
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_NE(second->refresh_token, first->refresh_token);
  EXPECT_TRUE(auth->verify(second->access_token));
  EXPECT_TRUE(wait(auth->refresh(second->refresh_token)));
}

TEST_F(authenticator_test, EndsTheWholeSessionWhenARefreshTokenIsUsedTwice) {
  add_user("ada", role::evaluator);
  const auto first = login("ada");
  const auto elsewhere = login("ada");
  const auto second = wait(auth->refresh(first->refresh_token));
  ASSERT_TRUE(second);
  EXPECT_FALSE(wait(auth->refresh(first->refresh_token))) << "a thief or the owner: nobody knows";
  EXPECT_FALSE(wait(auth->refresh(second->refresh_token)));
  EXPECT_FALSE(auth->verify(second->access_token));
  EXPECT_TRUE(auth->verify(elsewhere->access_token)) << "other logins stay";
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].first, "ada");
}

TEST_F(authenticator_test, EndsTheSessionWhenATokenIsExchangedTwiceAtTheSameTime) {
  add_user("ada", role::evaluator);
  const auto first = login("ada");
  const auto session = first->refresh_token.substr(0, 32);
  documents->before_write = [&] { documents->rows[{tokens_table, session}] += " "; };
  EXPECT_FALSE(wait(auth->refresh(first->refresh_token)));
  EXPECT_FALSE(documents->rows.contains({tokens_table, session}));
}

TEST_F(authenticator_test, RefusesRefreshTokensOfAnyOtherForm) {
  add_user("ada", role::evaluator);
  const auto issued = login("ada");
  for (const auto& text : {std::string{}, std::string{"."}, std::string(32, 'a') + ".", issued->access_token,
                           std::string(31, 'a') + "." + std::string(64, 'b'),
                           std::string("../../../../../../../../../../x.") + "b"})
    EXPECT_FALSE(wait(auth->refresh(text))) << text;
  wall += seconds{30 * 24 * 3600};
  EXPECT_FALSE(wait(auth->refresh(issued->refresh_token))) << "expired";
}

TEST_F(authenticator_test, EndsSessionsOnLogout) {
  add_user("ada", role::evaluator);
  const auto here = login("ada");
  const auto there = login("ada");
  ASSERT_TRUE(wait(auth->logout(*auth->verify(here->access_token), false)));
  EXPECT_FALSE(auth->verify(here->access_token));
  EXPECT_FALSE(wait(auth->refresh(here->refresh_token)));
  EXPECT_TRUE(auth->verify(there->access_token));
  ASSERT_TRUE(wait(auth->logout(*auth->verify(there->access_token), true)));
  EXPECT_FALSE(auth->verify(there->access_token));
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[1].second, "") << "all sessions";
}

TEST_F(authenticator_test, EndsSessionsOfDisabledAndDeletedUsers) {
  add_user("root", role::admin);
  add_user("ada", role::evaluator);
  add_user("bob", role::viewer);
  const auto ada = login("ada");
  const auto bob = login("bob");
  ASSERT_TRUE(wait(auth->users().change(user_id{"ada"}, std::nullopt, true)));
  EXPECT_FALSE(auth->verify(ada->access_token));
  EXPECT_FALSE(login("ada"));
  ASSERT_TRUE(wait(auth->users().change(user_id{"ada"}, std::nullopt, false)));
  EXPECT_FALSE(auth->verify(ada->access_token)) << "the old token stays dead";
  EXPECT_TRUE(login("ada"));
  ASSERT_TRUE(wait(auth->users().remove(user_id{"bob"})));
  EXPECT_FALSE(auth->verify(bob->access_token));
  wall += seconds{1};
  add_user("bob", role::admin);
  EXPECT_FALSE(auth->verify(bob->access_token)) << "a namesake does not inherit sessions";
}

TEST_F(authenticator_test, TakesRolesAsTheyAreNowAndNotAsTheyWereAtTheLogin) {
  add_user("root", role::admin);
  add_user("ada", role::admin);
  const auto before = login("ada");
  ASSERT_TRUE(wait(auth->users().change(user_id{"ada"}, std::vector<role>{role::viewer}, std::nullopt)));
  EXPECT_FALSE(auth->verify(before->access_token));
  EXPECT_FALSE(auth->verify(login("ada")->access_token)->permissions.has(permission::users_manage));
}

TEST_F(authenticator_test, KeepsTheLastAdmin) {
  add_user("root", role::admin);
  add_user("ada", role::evaluator);
  EXPECT_EQ(wait(auth->users().remove(user_id{"root"})).error().code, errc::conflict);
  EXPECT_EQ(wait(auth->users().change(user_id{"root"}, std::nullopt, true)).error().code, errc::conflict);
  EXPECT_EQ(
      wait(auth->users().change(user_id{"root"}, std::vector<role>{role::viewer}, std::nullopt)).error().code,
      errc::conflict);
  ASSERT_TRUE(wait(auth->users().change(user_id{"ada"}, std::vector<role>{role::admin}, std::nullopt)));
  EXPECT_TRUE(wait(auth->users().remove(user_id{"root"})));
  EXPECT_EQ(wait(auth->users().remove(user_id{"ada"})).error().code, errc::conflict);
}

TEST_F(authenticator_test, ChangesPasswords) {
  add_user("ada", role::evaluator);
  const auto before = login("ada");
  EXPECT_EQ(
      wait(auth->change_password(user_id{"ada"}, secret{"wrong one"}, secret{"next password"})).error().code,
      errc::forbidden);
  EXPECT_EQ(wait(auth->change_password(user_id{"ada"}, secret{"long enough"}, secret{"short"})).error().code,
            errc::invalid_argument);
  ASSERT_TRUE(wait(auth->change_password(user_id{"ada"}, secret{"long enough"}, secret{"next password"})));
  EXPECT_FALSE(login("ada"));
  EXPECT_TRUE(login("ada", "next password"));
  EXPECT_FALSE(auth->verify(before->access_token));
}

TEST_F(authenticator_test, RefusesBadNamesAndPasswords) {
  for (const auto* name : {"", "with space", "a/b", "anonymous", "ünal"})
    EXPECT_EQ(wait(auth->users().create(user_id{name}, secret{"long enough"}, {role::viewer})).error().where,
              "username")
        << name;
  EXPECT_EQ(wait(auth->users().create(user_id{"ada12345"}, secret{"ada12345"}, {role::viewer})).error().where,
            "password");
  EXPECT_EQ(wait(auth->users().create(user_id{"ada"}, secret{"short"}, {role::viewer})).error().where,
            "password");
  add_user("ada", role::viewer);
  EXPECT_EQ(wait(auth->users().create(user_id{"ada"}, secret{"long enough"}, {role::viewer})).error().code,
            errc::conflict);
}

TEST_F(authenticator_test, SweepsExpiredSessionsOnly) {
  add_user("ada", role::viewer);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(login("ada"));
  wall += seconds{30 * 24 * 3600 - 10};
  const auto fresh = login("ada");
  wall += seconds{20};
  const auto removed = wait(auth->remove_expired_sessions());
  ASSERT_TRUE(removed);
  EXPECT_EQ(*removed, 3u);
  EXPECT_TRUE(auth->verify(fresh->access_token));
}
