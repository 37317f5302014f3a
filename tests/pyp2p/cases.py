"""The list of tests: functions that take a `World`, in the order they were defined."""

CASES = {}


def case(function):
    """Makes a function a test."""
    assert function.__name__ not in CASES
    CASES[function.__name__] = function
    return function


def each(**variants):
    """Makes a test for each variant: `each(server=["original", "ours"])` calls it with server=..."""
    (name, values), = variants.items()

    def register(function):
        for value in values:
            def one(world, value=value):
                function(world, **{name: value})
            one.__name__ = f"{function.__name__}[{value}]"
            one.__doc__, one.__module__ = function.__doc__, function.__module__
            case(one)
        return function
    return register
