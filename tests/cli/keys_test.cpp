#include "process.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

namespace assay::cli::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// The binary with a mock provider that takes one key only.
class stored_keys : public testing::Test {
protected:
  stored_keys() {
    std::string name = (fs::temp_directory_path() / "assay-keys-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    environment["ASSAY_MASTER_PASSWORD"] = "correct horse";
  }
  ~stored_keys() override { fs::remove_all(folder); }

  finished assay(const std::vector<std::string>& arguments) const {
    return run_assay(arguments, folder, environment);
  }

  /// `assay keys add` with @p key on standard input.
  finished add(const std::string& key, const std::string& flags) const {
    auto with_key = environment;
    with_key["KEY"] = key;
    process adding({"/bin/sh", "-c", "printf '%s\\n' \"$KEY\" | " ASSAY_BINARY " keys add " + flags}, folder,
                   with_key);
    return adding.wait();
  }

  void start_mock() {
    fs::create_directories(folder + "/sums");
    std::ofstream(folder + "/sums/sums.yaml")
        << "id: sums\nname: Sums\ndescription: Small sums.\nlanguages: [en]\ndataset: sums.jsonl\n"
           "prompts:\n  plain: \"What is {a} plus 1? Only the number.\"\n"
           "target: \"{b}\"\nscorer: {type: numeric}\ngeneration: {temperature: 0, max_tokens: 32}\n";
    std::ofstream(folder + "/sums/sums.jsonl") << "{\"a\": 1, \"b\": 2}\n{\"a\": 2, \"b\": 3}\n";
    mock = std::make_unique<process>(std::vector<std::string>{ASSAY_BINARY, "mock-provider", "--port", "0",
                                                              "--port-file", "mock.port", "--tasks-dir",
                                                              "sums", "--api-key", "sk-good-key-of-the-mock"},
                                     folder);
    auto port = wait_for_file(folder + "/mock.port", *mock);
    ASSERT_FALSE(port.empty()) << mock->wait().err;
    port.pop_back();
    environment["ASSAY_MOCK_URL"] = "http://127.0.0.1:" + port + "/v1";
  }

  /// Whether any file below the test's folder holds the text.
  bool lies_about(const std::string& text) const {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file())
        continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      if (bytes.find(text) != std::string::npos)
        return true;
    }
    return false;
  }

  std::string folder;
  std::map<std::string, std::string> environment;
  std::unique_ptr<process> mock;
};

TEST_F(stored_keys, AreTakenOverFromDatapresso) {
  // Made by Python's cryptography, as Datapresso makes them.
  const std::string openai = "gAAAAABlU_"
                             "EAAAECAwQFBgcICQoLDA0ODz97JgImJQDfH6ZEsbMz8ilcHxbiidOXZqQ4O8pQALneV6YxbexsHhgbV"
                             "XQ6lsWQfFMjgkG_n56C_tJjz9bOfeFAfBb9ZfOfjcJeCstXLweL";
  const std::string claude = "gAAAAABlU_"
                             "EAAAECAwQFBgcICQoLDA0OD43QV8LeCKSgykmKIYvIlisQnSpuV8Fc7LItd7nRrWYYMcl1pmYXLPonZ"
                             "2qIQt6f62L0Zj5cgtNROmJaTSBWwOcmLQbFoxGCJ2KqGWfhkxX7";
  fs::create_directories(folder + "/old");
  const auto put = [&](const std::string& name, const std::string& token) {
    std::ofstream(folder + "/old/" + name + ".encrypted") << token;
    std::ofstream salt(folder + "/old/" + name + ".salt", std::ios::binary);
    for (char c = 16; c < 32; ++c)
      salt << c;
  };
  put("openai", openai);
  put("claude", claude);
  environment["ASSAY_DATAPRESSO_PASSWORD"] = "wrong";
  EXPECT_EQ(assay({"keys", "import-datapresso", "old"}).code, 5);
  EXPECT_EQ(json::parse(assay({"keys", "--json"}).out)["keys"].size(), 0U);
  environment["ASSAY_DATAPRESSO_PASSWORD"] = "old password";
  const auto taken = assay({"keys", "import-datapresso", "old", "--json"});
  ASSERT_EQ(taken.code, 0) << taken.err;
  const auto keys = json::parse(taken.out)["keys"];
  ASSERT_EQ(keys.size(), 2U) << taken.out;
  EXPECT_EQ(keys[0]["provider"], "anthropic");
  EXPECT_EQ(keys[1]["provider"], "openai");
  EXPECT_EQ(keys[1]["host"], "https://api.openai.com");
  EXPECT_EQ(keys[1]["name"], "datapresso-1");
  EXPECT_EQ(json::parse(assay({"keys", "--json"}).out)["keys"], keys);
  EXPECT_EQ((taken.out + taken.err).find("old-files"), std::string::npos) << "the key is never shown";
  const auto again = assay({"keys", "import-datapresso", "old/openai.encrypted", "--json"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(json::parse(again.out)["already_stored"], 1);
  fs::rename(folder + "/old/claude.encrypted", folder + "/old/nobody.encrypted");
  fs::rename(folder + "/old/claude.salt", folder + "/old/nobody.salt");
  const auto unknown = assay({"keys", "import-datapresso", "old/nobody.encrypted"});
  EXPECT_NE(unknown.code, 0);
  EXPECT_NE(unknown.err.find("--provider"), std::string::npos) << unknown.err;
  EXPECT_EQ(assay({"keys", "import-datapresso", "old/nobody.encrypted", "--provider", "anthropic"}).code, 0);
  EXPECT_FALSE(lies_about("sk-of-the-old-files")) << "some file or output holds the key";
}

TEST_F(stored_keys, AreAddedListedTestedAndRemoved) {
  ASSERT_NO_FATAL_FAILURE(start_mock());
  const auto added = add("sk-good-key-of-the-mock", "--provider mock --name lab --weight 2 --rpm 600 --json");
  ASSERT_EQ(added.code, 0) << added.err;
  const auto one = json::parse(added.out);
  EXPECT_EQ(one["host"], environment["ASSAY_MOCK_URL"].substr(0, environment["ASSAY_MOCK_URL"].size() - 3));
  EXPECT_EQ(one["fingerprint"].get<std::string>().size(), 16U);

  const auto listed = assay({"keys", "--json"});
  ASSERT_EQ(listed.code, 0) << listed.err;
  EXPECT_EQ(json::parse(listed.out)["keys"], json::array({one}));
  EXPECT_EQ(one["weight"], 2);
  EXPECT_EQ(one["rate_limits"]["requests_per_minute"], 600);
  EXPECT_NE(assay({"keys", "list"}).out.find("600 requests/min"), std::string::npos);

  const auto tested = assay({"keys", "test"});
  EXPECT_EQ(tested.code, 0) << tested.out << tested.err;
  EXPECT_NE(tested.out.find("accepted"), std::string::npos) << tested.out;

  ASSERT_EQ(add("sk-unknown-key", "--provider mock").code, 0);
  const auto both = assay({"keys", "test", "--json"});
  EXPECT_EQ(both.code, 5);
  const auto verdicts = json::parse(both.out)["keys"];
  ASSERT_EQ(verdicts.size(), 2U) << both.out;
  for (const auto& verdict : verdicts)
    EXPECT_EQ(verdict["state"], verdict["name"] == "lab" ? "good" : "refused") << both.out;

  EXPECT_EQ(assay({"keys", "remove", "stored-1"}).code, 0);
  EXPECT_EQ(assay({"keys", "remove", "stored-1"}).code, 4);
  EXPECT_EQ(assay({"keys", "test", "lab"}).code, 0);
  EXPECT_EQ(assay({"keys", "remove", "lab"}).code, 0);
  environment["ASSAY_MASTER_PASSWORD"] = "another password";
  EXPECT_EQ(add("sk-good-key-of-the-mock", "--provider mock").code, 0) << "the first key sets the password";
  EXPECT_FALSE(lies_about("sk-good-key-of-the-mock")) << "some file or output holds the key";
  EXPECT_FALSE(lies_about("correct horse"));
}

TEST_F(stored_keys, ServeRunsWhenTheMasterPasswordIsThere) {
  ASSERT_NO_FATAL_FAILURE(start_mock());
  ASSERT_EQ(add("sk-good-key-of-the-mock", "--provider mock").code, 0);
  const std::vector<std::string> run{"run", "-m", "sim-strong", "-t", "sums/sums.yaml", "--strict"};
  environment.erase("ASSAY_MASTER_PASSWORD");
  const auto without = assay(run);
  EXPECT_NE(without.code, 0) << without.out;
  EXPECT_NE(without.err.find("ASSAY_MASTER_PASSWORD"), std::string::npos) << without.err;

  std::ofstream(folder + "/password") << "correct horse\n";
  environment["ASSAY_MASTER_PASSWORD_FILE"] = folder + "/password";
  auto again = run;
  again.emplace_back("--fresh");
  const auto with = assay(again);
  EXPECT_EQ(with.code, 0) << with.out << with.err;

  environment["ASSAY_MASTER_PASSWORD"] = "incorrect horse";
  const auto wrong = assay(again);
  EXPECT_EQ(wrong.code, 5);
  EXPECT_NE(wrong.err.find("master password is wrong"), std::string::npos) << wrong.err;
  EXPECT_EQ(assay({"serve", "--port", "0"}).code, 5);
}

TEST_F(stored_keys, AreTakenUpByAServerThatRuns) {
  ASSERT_NO_FATAL_FAILURE(start_mock());
  environment["ASSAY_ADMIN_PASSWORD"] = "a password for tests";
  process server({ASSAY_BINARY, "serve", "--port", "0", "--port-file", "serve.port"}, folder, environment);
  ASSERT_FALSE(wait_for_file(folder + "/serve.port", server).empty()) << server.wait().err;

  const auto added = add("sk-good-key-of-the-mock", "--provider mock --name lab");
  ASSERT_EQ(added.code, 0) << added.err;
  EXPECT_NE(added.err.find("kill -HUP "), std::string::npos) << added.err;
  EXPECT_NE(assay({"keys", "list"}).out.find("lab"), std::string::npos);
  server.signal(SIGHUP);
  EXPECT_TRUE(wait_for_text(server.err_file(), "key=providers.mock.keys", server));

  const auto removed = assay({"keys", "remove", "lab"});
  EXPECT_EQ(removed.code, 0) << removed.err;
  EXPECT_NE(removed.err.find("POST /api/v1/config"), std::string::npos) << removed.err;
  server.signal(SIGHUP); // Handled before the signal that ends it: a lower number.
  server.signal(SIGTERM);
  const auto done = server.wait();
  EXPECT_EQ(done.code, 0) << done.err;
  const auto first = done.err.find("key=providers.mock.keys");
  ASSERT_NE(first, std::string::npos) << done.err;
  EXPECT_NE(done.err.find("key=providers.mock.keys", first + 1), std::string::npos) << "it is gone again";
  EXPECT_EQ((done.out + done.err).find("sk-good-key-of-the-mock"), std::string::npos);
  EXPECT_FALSE(lies_about("sk-good-key-of-the-mock")) << "some file holds the key";
}

TEST_F(stored_keys, StayHomeWhenTheProviderIsReachedElsewhere) {
  ASSERT_NO_FATAL_FAILURE(start_mock());
  ASSERT_EQ(add("sk-good-key-of-the-mock", "--provider mock").code, 0);
  environment["ASSAY_MOCK_URL"].replace(7, 9, "127.0.0.2");
  const auto done = assay({"keys", "test"});
  EXPECT_EQ(done.code, 4) << done.out;
  EXPECT_NE(done.err.find("is bound to http://127.0.0.1"), std::string::npos) << done.err;
}

TEST_F(stored_keys, AreNeverTakenFromTheCommandLine) {
  for (const auto& words : {std::vector<std::string>{"keys", "add", "--provider", "openai", "sk-on-the-line"},
                            {"keys", "add", "--provider", "openai", "--api-key", "sk-on-the-line"},
                            {"keys", "add", "--provider", "openai", "--key=sk-on-the-line"}}) {
    const auto done = assay(words);
    EXPECT_EQ(done.code, 2);
    EXPECT_EQ((done.out + done.err).find("sk-on-the-line"), std::string::npos) << done.err;
  }
}

TEST_F(stored_keys, SayWhatIsWrong) {
  EXPECT_EQ(assay({"keys", "add"}).code, 2);
  EXPECT_EQ(add("k", "--provider no-such-provider").code, 4);
  EXPECT_EQ(add("k", "--provider hosted").code, 2) << "no address to bind it to";
  EXPECT_EQ(add("", "--provider openai").code, 2);
  EXPECT_EQ(add("two words", "--provider openai").code, 2);
  EXPECT_EQ(add("k", "--provider openai --weight 0").code, 2);
  environment["ASSAY_MASTER_PASSWORD"] = "short";
  EXPECT_EQ(add("k", "--provider openai").code, 2);
  environment["ASSAY_MASTER_PASSWORD"] = "correct horse";
  EXPECT_EQ(assay({"keys", "remove", "nothing"}).code, 4);
  EXPECT_EQ(add("k", "--provider openai --name n").code, 0);
  const auto again = add("k", "--provider openai --name n");
  EXPECT_EQ(again.code, 2);
  EXPECT_NE(again.err.find("has a key n already"), std::string::npos) << again.err;
  environment.erase("ASSAY_MASTER_PASSWORD");
  environment["ASSAY_MASTER_PASSWORD_FILE"] = folder + "/no-such-file";
  EXPECT_EQ(add("k", "--provider openai").code, 2);
}

TEST_F(stored_keys, ListsMakeNoDataFolder) {
  const auto done = assay({"keys", "--json"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(json::parse(done.out), (json{{"keys", json::array()}}));
  EXPECT_FALSE(fs::exists(folder + "/data"));
}

} // namespace
} // namespace assay::cli::test
