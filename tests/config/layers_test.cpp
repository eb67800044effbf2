#include "tests/config/support.hpp"

namespace assay::config {
namespace {

class layers : public test::config_test {};

TEST_F(layers, WithoutAnyFileTheDefaultsHold) {
  const auto values = loaded();
  EXPECT_EQ(values.environment, "development");
  EXPECT_EQ(values.server.host, "127.0.0.1");
  EXPECT_EQ(values.server.port, 8000);
  EXPECT_EQ(values.auth.access_ttl, seconds{3600});
  EXPECT_EQ(values.auth.anonymous.engine, "none");
  EXPECT_EQ(values.storage.durable, durability::commit);
  EXPECT_EQ(values.storage.data_dir, folder.path() + "/data");
  EXPECT_EQ(values.results_dir, folder.path() + "/results");
  EXPECT_TRUE(values.sources.empty());
}

TEST_F(layers, BudgetsAreUnsetUntilSomebodySetsThem) {
  EXPECT_FALSE(loaded().budgets.per_day);
  EXPECT_EQ(loaded().storage.cache.max_bytes, uint64_t{1} << 30);
  file("local.yaml", "budgets: {per_request: 0.5, per_run: 20, per_day: 100, per_tenant: 30, alert_at: 0.5}\n"
                     "storage: {cache: {max_bytes: 2MiB, max_age: 1h}}\n");
  const auto values = loaded();
  EXPECT_EQ(values.budgets.per_request, from_dollars(0.5));
  EXPECT_EQ(values.budgets.per_run, from_dollars(20));
  EXPECT_EQ(values.budgets.per_day, from_dollars(100));
  EXPECT_EQ(values.budgets.per_tenant, from_dollars(30));
  EXPECT_EQ(values.budgets.alert_at, 0.5);
  EXPECT_EQ(values.storage.cache.max_bytes, uint64_t{2} << 20);
  EXPECT_EQ(values.storage.cache.max_age, seconds{3600});
}

TEST_F(layers, EachLayerIsStrongerThanTheOneBelow) {
  file("default.yaml", "server: {port: 1, host: default, max_body: 2048}\nlogging: {level: error}\n");
  file("testing.yaml", "server: {port: 2, host: testing}\n");
  file("local.yaml", "server: {port: 3}\n");
  file("production.yaml", "server: {port: 99}\n");
  request.environment_name = "testing";
  auto values = loaded();
  EXPECT_EQ(values.server.port, 3) << "local over testing";
  EXPECT_EQ(values.server.host, "testing") << "testing over default";
  EXPECT_EQ(values.server.max_body, 2048U) << "default over built-in";
  EXPECT_EQ(values.logging.level, "error");
  EXPECT_EQ(values.sources.size(), 3U);

  request.environment["PORT"] = "4";
  EXPECT_EQ(loaded().server.port, 4) << "variables over files";
  request.environment["ASSAY_SERVER__PORT"] = "5";
  EXPECT_EQ(loaded().server.port, 5) << "ASSAY_ over plain names";
  request.flags = {{"server.port", "6"}};
  EXPECT_EQ(loaded().server.port, 6) << "flags over variables";
}

TEST_F(layers, FilesGivenByNameComeAfterThoseOfTheFolder) {
  file("local.yaml", "server: {port: 3}\n");
  folder.write("mine.json", R"({"server": {"port": 7}})");
  request.files = {"mine.json"};
  EXPECT_EQ(loaded().server.port, 7);
}

TEST_F(layers, AnEmptyValueTakesBackWhatAWeakerFileSaid) {
  file("default.yaml", "server: {port: 1}\n");
  file("local.yaml", "server:\n  port:\n");
  EXPECT_EQ(loaded().server.port, 8000);
}

TEST_F(layers, ListsAreReplacedAndMapsMerged) {
  file("default.yaml",
       "tasks_dirs: [a, b]\nmodels:\n  m: {model_type: deepseek, temperature: 0.5, max_tokens: 9}\n");
  file("local.yaml", "tasks_dirs: [c]\nmodels:\n  m: {temperature: 0.1}\n");
  const auto values = loaded();
  EXPECT_EQ(values.tasks_dirs, std::vector<std::string>{folder.path() + "/c"});
  const auto* model = find_model(values, model_id("m"));
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->defaults.temperature, 0.1);
  EXPECT_EQ(model->defaults.max_tokens, 9U);
}

TEST_F(layers, TheEnvironmentsNameComesFromSeveralPlaces) {
  request.environment["FASTAPI_ENV"] = "production";
  EXPECT_EQ(loaded().environment, "production");
  request.environment["ASSAY_ENV"] = "testing";
  EXPECT_EQ(loaded().environment, "testing");
  request.environment_name = "development";
  EXPECT_EQ(loaded().environment, "development");
  request.environment_name = "staging";
  EXPECT_TRUE(has(refused().hint, "development, testing, production"));
}

TEST_F(layers, AFolderOrFileThatIsNotThereIsAnError) {
  request.config_dir = "nowhere";
  EXPECT_EQ(refused().code, errc::not_found);
  request.config_dir.clear();
  request.files = {"missing.yaml"};
  EXPECT_EQ(refused().code, errc::not_found);
}

TEST_F(layers, TheFolderMayComeFromTheEnvironment) {
  folder.write("elsewhere/default.yaml", "server: {port: 42}\n");
  request.environment["ASSAY_CONFIG_DIR"] = "elsewhere";
  EXPECT_EQ(loaded().server.port, 42);
}

TEST_F(layers, FlagsReachNamesWithDots) {
  file("local.yaml", "models:\n  gpt-3.5-turbo: {model_type: openai_gpt}\n");
  request.flags = {{"models.gpt-3.5-turbo.temperature", "0.25"},
                   {"models.\"a.b\".model_type", "deepseek"},
                   {"server.allowed_origins", "http://a, http://b"},
                   {"retry.rules", "[{error: transient, max_attempts: 2}]"}};
  const auto values = loaded();
  EXPECT_EQ(find_model(values, model_id("gpt-3.5-turbo"))->defaults.temperature, 0.25);
  EXPECT_NE(find_model(values, model_id("a.b")), nullptr);
  EXPECT_EQ(values.server.allowed_origins, (std::vector<std::string>{"http://a", "http://b"}));
  ASSERT_EQ(values.retry.rules.size(), 1U);
  EXPECT_EQ(values.retry.rules[0].max_attempts, 2U);
}

TEST_F(layers, AWrongFlagIsNamed) {
  request.flags = {{"server.prot", "1"}};
  const auto wrong = refused();
  EXPECT_EQ(wrong.where, "flag server.prot") << "the key is named once";
  EXPECT_TRUE(has(wrong.hint, "`port`"));
}

TEST_F(layers, TasksComeFromBesideTheProgramThenFromTheUser) {
  folder.write("build/dev/cli/assay", "");
  folder.write("tasks/single/a.yaml", "id: a\n");
  request.executable_dir = folder.path() + "/build/dev/cli";
  request.working_dir = folder.path() + "/home";
  test::fs::create_directories(request.working_dir);
  request.flags = {{"tasks_dirs", "mine"}};
  EXPECT_EQ(loaded().tasks_dirs,
            (std::vector<std::string>{folder.path() + "/tasks", folder.path() + "/home/mine"}));
}

TEST_F(layers, ThePythonWorkersComeFromBesideTheProgramToo) {
  EXPECT_EQ(loaded().python.package_dir, "") << "not everybody has them";
  EXPECT_EQ(loaded().python.interpreter, "/usr/bin/python3");
  folder.write("build/dev/cli/assay", "");
  folder.write("python/assay_worker/__main__.py", "");
  request.executable_dir = folder.path() + "/build/dev/cli";
  request.working_dir = folder.path() + "/home";
  test::fs::create_directories(request.working_dir);
  request.files = {folder.path() + "/mine.yaml"};
  folder.write("mine.yaml",
               "python: {workers: 3, memory: 2GiB, deadline: 5s, allow_unsandboxed_python: true, "
               "roots: [tasks, /srv/tasks]}\n");
  const auto python = loaded().python;
  EXPECT_EQ(python.package_dir, folder.path() + "/python");
  EXPECT_EQ(python.workers, 3U);
  EXPECT_EQ(python.memory, uint64_t{2} << 30);
  EXPECT_EQ(python.deadline, seconds{5});
  EXPECT_TRUE(python.allow_unsandboxed_python);
  EXPECT_EQ(python.roots, (std::vector<std::string>{folder.path() + "/home/tasks", "/srv/tasks"}));
}

TEST_F(layers, PathsStartFromTheWorkingFolderOrHome) {
  file("local.yaml", "storage: {data_dir: ../x}\nresults_dir: /abs/r\nlogging: {file: ~/a.log}\n");
  const auto values = loaded();
  EXPECT_EQ(values.storage.data_dir, test::fs::path(folder.path()).parent_path().string() + "/x");
  EXPECT_EQ(values.results_dir, "/abs/r");
  EXPECT_EQ(values.logging.file, folder.path() + "/home/a.log");
}

TEST_F(layers, DebugRaisesTheLogLevelUnlessOneIsGiven) {
  request.environment["DEBUG"] = "yes";
  EXPECT_EQ(loaded().logging.level, "debug");
  request.environment["LOG_LEVEL"] = "WARNING";
  EXPECT_EQ(loaded().logging.level, "warn");
}

} // namespace
} // namespace assay::config
