"""Drives a sandbox by E2B's unmodified code interpreter client: its environment says where. Prints what it has seen."""

import json

from e2b_code_interpreter import NotFoundException, Sandbox


def main() -> None:
    seen: dict[str, object] = {}
    sandbox = Sandbox.create(timeout=600)
    try:
        execution = sandbox.run_code("x = 6\nprint('out')\nx * 7")
        seen["value"] = [execution.text, execution.logs.stdout]
        lines: list[str] = []
        names: list[str] = []
        failed = sandbox.run_code(
            "for i in range(3):\n    print(i, '\\u2028')\n1 / 0",
            on_stdout=lambda message: lines.append(message.line),
            on_error=lambda error: names.append(error.name),
        )
        seen["streamed"] = "".join(lines)
        seen["error"] = [names, failed.error.value if failed.error else None]
        drawn = sandbox.run_code(
            "import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4])\nplt.title('T')\nplt.show()\n"
            "plt.bar(['a'], [2])\nplt.show()\nplt.pie([1, 3], labels=['p', 'q'])\nplt.show()\n"
            "plt.boxplot([[1, 2, 3]], patch_artist=True)\nplt.show()\n"
            "figure, axes = plt.subplots(1, 2)\naxes[0].scatter([1], [2])\naxes[1].plot([1], [2])\nplt.show()"
        )
        seen["charts"] = [type(result.chart).__name__ for result in drawn.results]
        seen["pictures"] = all(result.png.startswith("iVBORw0KGgo") for result in drawn.results)
        context = sandbox.create_code_context(cwd="/tmp")
        seen["context"] = [context.language, context.cwd, sandbox.run_code("import os; os.getcwd()", context=context).text]
        seen["listed"] = context.id in [each.id for each in sandbox.list_code_contexts()]
        sandbox.restart_code_context(context)
        sandbox.remove_code_context(context)
        try:
            sandbox.run_code("1", context=context)
        except NotFoundException:
            seen["removed"] = True
        seen["bash"] = sandbox.run_code("echo $HOME", language="bash").logs.stdout
    finally:
        seen["killed"] = sandbox.kill()
    print(json.dumps(seen))


main()
