"""The examples do what they say."""
import re
import unittest

from support import HERE, Case, Rendezvous, address, needs_server, python

EXAMPLES = HERE.parent / "examples"


class Examples(Case):
    def test_direct(self):
        for dialect, begins in ([], "p2p3"), (["--classic"], "Ag"):
            with python(EXAMPLES / "direct.py", "--explain", *dialect) as direct:
                self.assertEqual(direct.ended(), 0, direct.text())
                for part in (f"Bob's locator: {begins}", "Alice has connected to Bob at 127.0.0.5:", "Bob hears: Sup Bob.",
                             "Alice hears: Not much, Alice.", "\ndone"):
                    self.assertIn(part, direct.text())

    @needs_server
    def test_alice_and_bob(self):
        for left in (2, 1, 0):
            try:
                self.alice_and_bob()
                break
            except AssertionError as why:  # the server had two seconds, and may not have got the CPU for so long
                if not left or "(server_timeout_ms)" not in str(why):
                    raise

    def alice_and_bob(self):
        with Rendezvous() as server:
            common = ["--port", "0", "--server", server.address, "--lines", "3"]
            with python(EXAMPLES / "alice.py", "--bind", address(), *common) as alice:
                alice.wait_for("^listed at")
                with python(EXAMPLES / "bob.py", "--bind", address(), *common) as bob:
                    self.assertEqual(alice.ended(), 0, alice.text())
                    self.assertEqual(bob.ended(), 0, bob.text())
                    alice.wait_for("^done: 3 lines")
                    bob.wait_for("^< 'got it'$", 3)

    def test_the_chat_floods(self):
        """ann - ben - cem: what cem says reaches ann over ben, once."""
        with python(EXAMPLES / "chat.py", "--name", "ann", "--bind", address()) as ann:
            at = ann.wait_for(r"listening on (\S+)")[1]
            with python(EXAMPLES / "chat.py", "--name", "ben", "--bind", address(), "--connect", at) as ben:
                ben.wait_for("is connected")
                at = ben.wait_for(r"listening on (\S+)")[1]
                with python(EXAMPLES / "chat.py", "--name", "cem", "--bind", address(), "--connect", at) as cem:
                    cem.wait_for("is connected")
                    ben.wait_for("is connected", 2)
                    cem.type("hello\nhello\n\x1b[31m\n")
                    for number in (1, 2):
                        ann.wait_for(f"^cem {number}: hello$")
                    ann.wait_for(r"^cem 3: \?\[31m$")
                    ann.type("and to you\n")
                    cem.wait_for("^ann 1: and to you$")
                    for each in (cem, ben, ann):
                        each.process.send_signal(2)
                        self.assertEqual(each.ended(), 0, each.text())
                    self.assertEqual(len(re.findall("cem 1: hello", ann.text())), 1)

    def test_the_first_program_of_the_readmes(self):
        """The package's own, and the one in the project's."""
        for readme in (HERE.parent / "README.md", HERE.parents[2] / "README.md"):
            text = readme.read_text(encoding="utf-8")
            with python("-c", re.search(r"```python\n(import p2pnet\n.*?)```", text, re.S)[1]) as program:
                self.assertEqual(program.ended(), 0, program.text())
                self.assertEqual(program.text(), "Sup Bob.")

    def test_what_the_readme_links_to(self):
        text = (HERE.parent / "README.md").read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            self.assertTrue((HERE.parent / link).exists(), link)

    def test_what_goes_wrong_is_said(self):
        for name in ("alice", "bob"):
            with python(EXAMPLES / f"{name}.py", "--port", "0", "--server", "127.0.0.1:1") as program:
                self.assertEqual(program.ended(), 1)
                self.assertRegex(program.text(), f"{name}: .*127.0.0.1:1.*refused")
                self.assertNotIn("Traceback", program.text())
        with python(EXAMPLES / "chat.py", "--connect", "127.0.0.9:1") as program:
            self.assertEqual(program.ended(), 1)
            self.assertRegex(program.text(), "chat: .*127.0.0.9:1.*refused")
            self.assertNotIn("Traceback", program.text())


if __name__ == "__main__":
    unittest.main()
